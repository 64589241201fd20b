import t from 'tap'
import { Threads } from '../../src/kernel/threads.ts'

t.test('no more run at once than may, and all run in order', async (t) => {
  const threads = new Threads(2)
  const calls = Array.from({ length: 6 }, () => Promise.withResolvers<number>())
  const begun: number[] = []
  const ended = calls.map(({ promise }, index) =>
    threads.run(() => {
      begun.push(index)
      return promise
    }),
  )
  await Promise.resolve()
  t.strictSame(begun, [0, 1])
  t.equal(threads.busy, 6)
  let idle = false
  const quiet = threads.idle().then(() => {
    idle = true
  })
  calls[1]?.resolve(1)
  t.equal(await ended[1], 1)
  t.strictSame(begun, [0, 1, 2], 'one that hangs leaves the other thread to all others')
  calls[2]?.reject(new Error('refused'))
  t.equal(idle, false)
  await t.rejects(async () => void (await ended[2]), /refused/)
  for (const [index, { resolve }] of calls.entries()) resolve(index)
  t.strictSame(await Promise.all(ended.filter((_, index) => index !== 2)), [0, 1, 3, 4, 5])
  t.strictSame(begun, [0, 1, 2, 3, 4, 5])
  t.equal(threads.busy, 0)
  await quiet
  await threads.idle()
})
