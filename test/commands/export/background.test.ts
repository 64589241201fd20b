import t from 'tap'
import { collectEvery, withinLimit } from '../../../src/commands/export/background.ts'

t.test('a collection at once, then one each interval, until the end, which waits for the last', async (t) => {
  let begun = 0
  let ended = 0
  const third = Promise.withResolvers<void>()
  const end = collectEvery(5, {
    async join() {
      if (++begun === 3) third.resolve()
      await new Promise((resolve) => setTimeout(resolve, 20))
      ended++
    },
  })
  t.equal(begun, 1, 'at once')
  await third.promise
  await end()
  t.ok(ended >= 3, `${ended} have ended`)
  const then = begun
  await new Promise((resolve) => setTimeout(resolve, 30))
  t.equal(begun, then, 'none after the end')
})

t.test('one that fails ends nothing, and its end is waited for as well', async (t) => {
  const end = collectEvery(60_000, { join: () => Promise.reject(new Error('no')) })
  await end()
  await withinLimit(Promise.reject(new Error('no')))
  t.pass('nothing was thrown')
})
