import t from 'tap'
import { Slices } from '../../../../src/resolve/kubernetes/api/slices.ts'

t.test('long work lets others have their turn', async (t) => {
  const slices = new Slices()
  let turns = 0
  let working = true
  const other = (): void => {
    turns++
    if (working) setImmediate(other)
  }
  setImmediate(other)
  for (let piece = 0; piece < 20; piece++) {
    await slices.breathe()
    const end = performance.now() + 2
    while (performance.now() < end);
  }
  working = false
  t.ok(turns >= 5, `${turns} turns in 40 ms of work`)
})
