import t from 'tap'
import { formatDuration, parseDuration } from '../../src/config/duration.ts'

t.test('durations are read to the millisecond', async (t) => {
  const known = {
    '500ms': 500,
    '15s': 15_000,
    '1m': 60_000,
    '1h30m': 5_400_000,
    '1d': 86_400_000,
    '1d2h3m4s5ms': 93_784_005,
    '0s': 0,
    '90m': 5_400_000,
  }
  for (const [text, ms] of Object.entries(known)) t.equal(parseDuration(text), ms, text)
})

t.test('what is no duration is not guessed at', async (t) => {
  for (const text of ['', '15', 's', '1.5h', '-1s', '30m1h', '1s1s', '15 s', '15S', '1y', '1e3s', '9999999999s'])
    t.equal(parseDuration(text), undefined, text)
})

t.test('a duration that is written is read back the same', async (t) => {
  for (const ms of [0, 1, 999, 1000, 61_001, 3_600_000, 93_784_005]) t.equal(parseDuration(formatDuration(ms)), ms)
  t.equal(formatDuration(5_400_000), '1h30m')
})
