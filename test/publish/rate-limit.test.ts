import t from 'tap'
import { rateLimit } from '../../src/publish/rate-limit.ts'

t.test('a burst passes, then one each interval', async (t) => {
  let nowMs = 1000
  const allows = rateLimit({ intervalMs: 100, burst: 3 }, () => nowMs)
  t.strictSame([allows(), allows(), allows(), allows()], [true, true, true, false])
  nowMs += 99
  t.equal(allows(), false)
  nowMs += 1
  t.strictSame([allows(), allows()], [true, false])
  nowMs += 1e9
  t.strictSame([allows(), allows(), allows(), allows()], [true, true, true, false], 'never more than the burst')
})
