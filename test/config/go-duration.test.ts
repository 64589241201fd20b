import t from 'tap'
import { parseGoDuration } from '../../src/config/go-duration.ts'

t.test('durations are read as Go writes them', async (t) => {
  const table: Readonly<Record<string, number | undefined>> = {
    '1s': 1000,
    '500ms': 500,
    '1m30s': 90_000,
    '1.5h': 5_400_000,
    '.5s': 500,
    '250us': 0.25,
    '250µs': 0.25,
    '1000000ns': 1,
    '0': 0,
    '0s': 0,
    '': undefined,
    '1': undefined,
    s: undefined,
    '-1s': undefined,
    '1d': undefined,
    '1 s': undefined,
    '1s ': undefined,
    x1s: undefined,
    '.s': undefined,
  }
  for (const [text, ms] of Object.entries(table)) t.equal(parseGoDuration(text), ms, text)
})
