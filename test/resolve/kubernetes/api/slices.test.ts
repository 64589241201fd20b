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

t.test('of several who work long one has its slice in a turn, and each has its own', async (t) => {
  let turn = 0
  let working = true
  const other = (): void => {
    turn++
    if (working) setImmediate(other)
  }
  setImmediate(other)
  const worked = new Map<number, Set<string>>()
  const work = async (name: string): Promise<void> => {
    const slices = new Slices()
    for (let piece = 0; piece < 10; piece++) {
      await slices.breathe()
      worked.set(turn, (worked.get(turn) ?? new Set()).add(name))
      const end = performance.now() + 2
      while (performance.now() < end);
    }
  }
  await Promise.all(['a', 'b', 'c'].map(work))
  working = false
  t.same(
    [...worked.values()].filter(({ size }) => size > 1),
    [],
  )
  t.ok(worked.size >= 12, `${worked.size} turns`)
})
