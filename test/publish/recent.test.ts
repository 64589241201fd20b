import t from 'tap'
import type { Snapshot } from '../../src/model.ts'
import { createRecent } from '../../src/publish/recent.ts'
import { snapshotOf } from './snapshots.ts'

const at = (seconds: number): Snapshot => snapshotOf([], { timeMs: seconds * 1000 })

t.test('the earlier snapshot is far enough before the latest, and not older than need be', async (t) => {
  const recent = createRecent()
  t.equal(recent.latest(), undefined)
  t.equal(recent.earlier(), undefined)
  const seen: (number | undefined)[][] = []
  for (const seconds of [100, 101, 104, 105, 106, 110, 112, 127, 142, 142.1]) {
    recent.add(at(seconds))
    seen.push([recent.latest(), recent.earlier()].map((snapshot) => snapshot && snapshot.timeMs / 1000))
  }
  t.same(seen, [
    [100, undefined],
    [101, undefined],
    [104, undefined],
    [105, 100],
    [106, 100],
    [110, 105],
    [112, 105],
    [127, 110],
    [142, 127],
    [142.1, 127],
  ])
})

t.test('a clock that was set back does not end the rates', async (t) => {
  const recent = createRecent()
  for (const seconds of [1000, 1010, 500, 510]) recent.add(at(seconds))
  t.equal(recent.earlier()?.timeMs, 500_000)
  t.equal(recent.latest()?.timeMs, 510_000)
})
