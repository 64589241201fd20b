import t from 'tap'
import { Backoff } from '../../../../src/resolve/kubernetes/api/backoff.ts'

t.test('from 1 to 30 s, doubling, with chance in between', (t) => {
  const shortest = new Backoff(() => 0)
  const longest = new Backoff(() => 0.999999)
  t.same(
    Array.from({ length: 7 }, () => shortest.nextMs()),
    [1000, 2000, 4000, 8000, 15_000, 15_000, 15_000],
  )
  t.same(
    Array.from({ length: 7 }, () => Math.round(longest.nextMs())),
    [2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000],
  )
  shortest.reset()
  t.equal(shortest.nextMs(), 1000, 'anew after a success')
  t.end()
})

t.test('never sooner than the server asks for, and not all at the same moment', (t) => {
  t.equal(new Backoff(() => 0).nextMs(60_000), 60_000)
  t.equal(new Backoff(() => 0.5).nextMs(60_000), 67_500)
  t.equal(new Backoff(() => 0.5).nextMs(100), 1500)
  t.end()
})
