import t from 'tap'
import { identifyCgroup } from '../../src/resolve/cgroup-path.ts'
import { GoneCgroups } from '../../src/resolve/gone-cgroups.ts'

function world(most?: number) {
  const clock = { nowMs: 5 }
  return { clock, gone: new GoneCgroups({ nowMs: () => clock.nowMs, most }) }
}

const pathOf = (id: bigint): string => `/jobs/job-${id}.service`

t.test('what went is named by its path; what never was is not', async (t) => {
  const { gone } = world()
  const identity = identifyCgroup(pathOf(1n))
  gone.add(1n, pathOf(1n), identity)
  gone.add(2n, pathOf(2n), undefined)
  t.equal(gone.lookup(1n), identity, 'the same object')
  t.equal(gone.lookup(2n)?.name, 'job-2.service')
  t.equal(gone.lookup(2n), gone.lookup(2n))
  t.equal(gone.lookup(3n), undefined)
  t.same(
    [1n, 2n, 3n].map((id) => gone.has(id)),
    [true, true, false],
  )
  gone.delete(1n)
  t.equal(gone.lookup(1n), undefined)
  t.equal(gone.size, 1)
})

t.test('each is kept ten minutes at least and eleven at most, however they come', async (t) => {
  const { clock, gone } = world()
  const went = new Map<bigint, number>()
  for (let id = 1n; id <= 400n; id++) {
    clock.nowMs += Number(id % 7n) * 1000
    gone.letGo()
    gone.add(id, pathOf(id), undefined)
    went.set(id, clock.nowMs)
  }
  const wrong: string[] = []
  for (let steps = 0; steps < 300; steps++) {
    clock.nowMs += 7000
    gone.letGo()
    for (const [id, sinceMs] of went) {
      const ageMs = clock.nowMs - sinceMs
      if (gone.has(id) ? ageMs > 660_000 : ageMs < 600_000) wrong.push(`${id} after ${ageMs} ms`)
    }
  }
  t.same(wrong, [])
  t.equal(gone.size, 0)
  t.equal(gone.forgotten, 0)
})

t.test('who is asked for now and then stays, and its number goes to another only when told', async (t) => {
  const { clock, gone } = world()
  gone.add(1n, pathOf(1n), undefined)
  gone.add(2n, pathOf(2n), undefined)
  for (let minutes = 0; minutes < 60; minutes++) {
    clock.nowMs += 60_000
    gone.letGo()
    t.equal(gone.lookup(1n)?.name, 'job-1.service')
  }
  t.equal(gone.size, 1)
  clock.nowMs += 120_000
  gone.letGo()
  gone.delete(1n)
  t.equal(gone.lookup(1n), undefined)
})

t.test('of too many the oldest go first, and are counted', async (t) => {
  const { clock, gone } = world(10)
  for (let id = 1n; id <= 25n; id++) {
    clock.nowMs += 20_000
    gone.letGo()
    gone.add(id, pathOf(id), undefined)
  }
  t.equal(gone.size, 10)
  t.equal(gone.forgotten, 15)
  for (let id = 1n; id <= 25n; id++) t.equal(gone.has(id), id > 15n, `${id}`)
})
