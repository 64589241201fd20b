import t from 'tap'
import { collectEvery, nowAndThen, withinLimit } from '../../../src/commands/export/background.ts'

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

t.test('what is done now and then goes on after a failure, and ends when it is told to', async (t) => {
  let done = 0
  const end = nowAndThen(5, async () => {
    if (++done === 2) throw new Error('once')
  })
  while (done < 4) await new Promise((resolve) => setTimeout(resolve, 1))
  end()
  const last = done
  await new Promise((resolve) => setTimeout(resolve, 50))
  t.equal(done, last)
})
