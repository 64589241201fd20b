import t from 'tap'
import { createNaming } from '../../../src/commands/export/naming.ts'
import type { Attribution, FlowKey, KeyNote } from '../../../src/model.ts'
import type { CgroupIdentity } from '../../../src/resolve/cgroup-path.ts'
import type { OwnerState } from '../../../src/resolve/owner.ts'
import { createStore } from '../../../src/store/store.ts'
import { LABELS, NOTHING, SOUND, times } from '../../store/flows.ts'
import { flowKey } from '../../store/histories.ts'

/** A store, and owners of whom the test says what is known. */
function world() {
  const clock = { nowMs: 0 }
  const nowMs = (): number => clock.nowMs
  const states = new Map<bigint, OwnerState>()
  const asked: bigint[] = []
  const warnings: unknown[] = []
  const flowLabels = ['workload', 'direction'] as const
  const store = createStore({ flowLabels, seriesLimit: 1000, seriesIdleMs: 1e9, now: nowMs })
  const named: FlowKey[] = []
  const labelsOf = new Map<string, typeof LABELS>()
  const before: unknown[] = []
  const name = (key: FlowKey, answer?: unknown) => {
    const { cgroup } = key
    named.push(key)
    before.push(answer)
    if (cgroup === world.raises) {
      resolver.generation++
      world.prefix = 'raised '
    }
    const state = states.get(cgroup) ?? 'named'
    const workload = state === 'named' ? `${world.prefix}${cgroup}` : 'nobody'
    const labels = labelsOf.get(workload) ?? { ...LABELS, workload }
    labelsOf.set(workload, labels)
    return { state, labels, attribution: world.attribution }
  }
  const cgroups = {
    ensure: async (ids: Iterable<bigint>) => void asked.push(...ids),
    lookup: (id: bigint) => identities.get(id) ?? identities.set(id, { kind: 'cgroup', name: `${id}` }).get(id),
  }
  const looked: unknown[] = []
  const names = { ensure: async (identities: Iterable<unknown>) => void looked.push(...identities) }
  const resolver = { generation: 0, name }
  const world = { prefix: 'w', attribution: 'cgroup' as Attribution, raises: -1n }
  const identities = new Map<bigint, CgroupIdentity>()
  const notes = new Map<number, KeyNote>()
  /** As the collector does. */
  const told = (id: number) => {
    const note = notes.get(id) ?? { by: undefined, where: undefined, name: undefined }
    notes.set(id, note)
    return { key: flowKey(id), note }
  }
  const naming = createNaming({ cgroups, names, resolver, store, log: { warn: (line: unknown) => warnings.push(line) }, nowMs })
  const drain = async (...ids: number[]): Promise<Record<string, number>> => {
    await naming.take(ids.map((id) => ({ ...told(id), counts: { ...NOTHING, sentBytes: 10 } })))
    await naming.takeHealth(ids.map((id) => ({ ...told(id), health: { ...SOUND, rtt: times(1, 0.001) } })))
    await naming.settle()
    await store.commit(0)
    const { flows, health } = store.snapshot(0)
    const shown = (index: number): string => flows.rows[index]?.labels.join('') ?? ''
    const bytes = Object.fromEntries(flows.rows.map((_, index) => [shown(index), flows.values[index * flows.columns.length] ?? 0]))
    return { ...bytes, times: health[1]?.values.reduce((sum, value) => sum + (Number.isInteger(value) ? value : 0), 0) ?? 0 }
  }
  return { clock, states, store, asked, looked, warnings, drain, named, resolver, world, identities, naming, before }
}

const cgroup = (id: number): bigint => flowKey(id).cgroup
const label = (id: number): string => `w${cgroup(id)}`

t.test('what is named is added, what is elsewhere is left out, what waits is held until it has its name', async (t) => {
  const { states, store, drain, asked, looked } = world()
  states.set(cgroup(2), 'elsewhere').set(cgroup(3), 'waiting')
  t.same(await drain(1, 2, 3), { [label(1)]: 10, times: 1 })
  t.equal(store.holding, 1)
  t.ok(asked.includes(cgroup(3)))
  t.equal(looked.length, asked.length)
  t.same(await drain(3), { [label(1)]: 10, times: 1 })
  asked.length = 0
  states.delete(cgroup(3))
  t.same(await drain(), { [label(1)]: 10, [label(3)]: 20, times: 3 })
  t.ok(asked.includes(cgroup(3)), 'who waits is looked for again')
  t.equal(store.holding, 0)
})

t.test('what is found to be elsewhere meanwhile is forgotten', async (t) => {
  const { states, store, drain } = world()
  states.set(cgroup(3), 'waiting')
  await drain(3)
  states.set(cgroup(3), 'elsewhere')
  t.same(await drain(), { times: 0 })
  t.equal(store.holding, 0)
})

t.test('after ten seconds it is told as it is, also where another process has begun to wait anew', async (t) => {
  const { clock, states, drain } = world()
  states.set(cgroup(3), 'waiting')
  await drain(3)
  clock.nowMs = 9999
  t.same(await drain(), { times: 0 })
  clock.nowMs = 10_000
  t.same(await drain(), { nobody: 10, times: 1 })
})

t.test('where too many wait the rest is told as it is, and that is told once', async (t) => {
  const { states, store, drain, warnings } = world()
  const ids = Array.from({ length: 8200 }, (_, id) => id)
  for (const id of ids) states.set(cgroup(id), 'waiting')
  t.same(await drain(...ids), { nobody: 80, times: 8 })
  t.equal(store.holding, 8192)
  t.equal(warnings.length, 1)
  states.clear()
  t.equal((await drain()).times, 8200)
})

t.test('a key that is told of again is not named again, and its cgroup still looked for', async (t) => {
  const { drain, named, asked, looked } = world()
  await drain(1, 2)
  t.equal(named.length, 2, 'its health has the name of its counts')
  asked.length = looked.length = named.length = 0
  t.same(await drain(2, 1, 1), { [label(1)]: 30, [label(2)]: 20, times: 5 })
  t.equal(named.length, 0)
  t.same(asked, [cgroup(2), cgroup(1), cgroup(2), cgroup(1)])
  t.equal(looked.length, 4)
})

t.test('it is named again once anything has changed that it was named by', async (t) => {
  const { drain, named, resolver, world: now, identities, before } = world()
  await drain(1, 2)
  named.length = before.length = 0
  now.prefix = 'v'
  resolver.generation++
  t.match(await drain(1, 2), { [label(1)]: 10, [`v${cgroup(1)}`]: 10 })
  t.equal(named.length, 2)
  t.match(before, [{ labels: { workload: label(1) } }, { labels: { workload: label(2) } }], 'with what it was named before')
  now.prefix = 'u'
  identities.set(cgroup(2), { kind: 'systemd', name: 'another' })
  t.match(await drain(1, 2), { [`v${cgroup(1)}`]: 20, [`v${cgroup(2)}`]: 10, [`u${cgroup(2)}`]: 10 })
})

t.test('also where it changes in the midst of a batch', async (t) => {
  const { drain, world: now } = world()
  await drain(1, 2)
  now.raises = cgroup(3)
  t.match(await drain(1, 3, 2), { [label(1)]: 20, [label(2)]: 10, [`raised ${cgroup(2)}`]: 10 })
})

t.test('the same labels found in another way are attributed in that way', async (t) => {
  const { drain, store, resolver, world: now } = world()
  await drain(1)
  now.attribution = 'pod_ip'
  resolver.generation++
  t.same(await drain(1), { [label(1)]: 20, times: 2 })
  t.match(store.stats().attributedBytes, { cgroup: 10, pod_ip: 10 })
})

t.test('one that was elsewhere, or waited, is named once it no longer is', async (t) => {
  const { drain, states, resolver } = world()
  states.set(cgroup(1), 'elsewhere').set(cgroup(2), 'waiting')
  t.same(await drain(1, 2), { times: 0 })
  t.same(await drain(1, 2), { times: 0 })
  states.clear()
  resolver.generation++
  t.same(await drain(1, 2), { [label(1)]: 10, [label(2)]: 30, times: 4 })
})

t.test('one that waits is asked for each time, though nothing has changed, and no longer once it has its name', async (t) => {
  const { drain, states, named } = world()
  states.set(cgroup(2), 'waiting')
  await drain(2)
  states.clear()
  t.same(await drain(2), { [label(2)]: 20, times: 2 })
  named.length = 0
  t.same(await drain(2), { [label(2)]: 30, times: 3 })
  t.equal(named.length, 0)
})

t.test('one without a note is named each time', async (t) => {
  const { naming, named, store } = world()
  const flow = { key: flowKey(1), counts: { ...NOTHING, sentBytes: 10 } }
  await naming.take([flow, flow])
  await store.commit(0)
  t.equal(named.length, 2)
  t.equal(store.snapshot(0).flows.values[0], 20)
})
