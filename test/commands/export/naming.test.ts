import t from 'tap'
import { createNaming } from '../../../src/commands/export/naming.ts'
import type { FlowKey } from '../../../src/model.ts'
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
  const name = ({ cgroup }: FlowKey) => {
    const state = states.get(cgroup) ?? 'named'
    return { state, labels: { ...LABELS, workload: state === 'named' ? `w${cgroup}` : 'nobody' }, attribution: 'cgroup' as const }
  }
  const cgroups = {
    ensure: async (ids: Iterable<bigint>) => void asked.push(...ids),
    lookup: (id: bigint) => ({ kind: 'cgroup', name: `${id}` }) as const,
  }
  const looked: unknown[] = []
  const names = { ensure: async (identities: Iterable<unknown>) => void looked.push(...identities) }
  const resolver = { name, resolve: ({ key, counts }: { key: FlowKey; counts: typeof NOTHING }) => ({ ...name(key), counts }) }
  const naming = createNaming({ cgroups, names, resolver, store, log: { warn: (line: unknown) => warnings.push(line) }, nowMs })
  const drain = async (...ids: number[]): Promise<Record<string, number>> => {
    await naming.take(ids.map((id) => ({ key: flowKey(id), counts: { ...NOTHING, sentBytes: 10 } })))
    await naming.takeHealth(ids.map((id) => ({ key: flowKey(id), health: { ...SOUND, rtt: times(1, 0.001) } })))
    await naming.settle()
    await store.commit(0)
    const { flows, health } = store.snapshot(0)
    const shown = (index: number): string => flows.rows[index]?.labels.join('') ?? ''
    const bytes = Object.fromEntries(flows.rows.map((_, index) => [shown(index), flows.values[index * flows.columns.length] ?? 0]))
    return { ...bytes, times: health[1]?.values.reduce((sum, value) => sum + (Number.isInteger(value) ? value : 0), 0) ?? 0 }
  }
  return { clock, states, store, asked, looked, warnings, drain }
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
