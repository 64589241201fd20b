import t from 'tap'
import { MetCgroups } from '../../../src/commands/export/met-cgroups.ts'

function met(options: { most?: number } = {}) {
  const clock = { ms: 0 }
  let made = 0
  const cgroups = new MetCgroups((id) => ({ id, nth: ++made }), { ...options, idleMs: 1000, nowMs: () => clock.ms })
  return { clock, cgroups }
}

t.test('one that is told of again is the same, also over what lets others go', async (t) => {
  const { clock, cgroups } = met()
  const first = cgroups.of(7n)
  for (let minute = 0; minute < 5; minute++) {
    clock.ms += 1000
    cgroups.letGo()
    t.equal(cgroups.of(7n), first)
  }
})

t.test('one that nobody told of goes', async (t) => {
  const { clock, cgroups } = met()
  const first = cgroups.of(7n)
  clock.ms = 999
  cgroups.letGo()
  cgroups.letGo()
  t.equal(cgroups.of(7n), first, 'not before its time')
  for (const ms of [1000, 2000]) {
    clock.ms = ms
    cgroups.letGo()
  }
  t.same(cgroups.of(7n), { id: 7n, nth: 2 })
})

t.test('no more than so many are kept', async (t) => {
  const { cgroups } = met({ most: 2 })
  const first = cgroups.of(1n)
  for (const id of [2n, 3n]) cgroups.of(id)
  t.equal(cgroups.of(1n), first, 'of the generation before')
  for (const id of [4n, 5n, 6n, 7n]) cgroups.of(id)
  t.not(cgroups.of(1n), first)
})
