// Takes what the kernel told of flows into the store under their owners' names. What awaits a name is held until it has one, at most ten
// seconds; what is another node's is left out. Counts nothing, names nothing itself.
import { setImmediate } from 'node:timers/promises'
import type { Logger } from '../../log.ts'
import type { Flow, FlowCounts, FlowHealth, KeyNote } from '../../model.ts'
import type { CgroupIndex } from '../../resolve/cgroup-index.ts'
import type { CgroupIdentity } from '../../resolve/cgroup-path.ts'
import type { Named, Resolver } from '../../resolve/flows.ts'
import type { KubernetesNames } from '../../resolve/kubernetes/names.ts'
import type { Place, Store } from '../../store/store.ts'
import { MetCgroups } from './met-cgroups.ts'

/** As the contract promises. */
export const PATIENCE_MS = 10_000
/** Names and additions at a stretch, some 5 us each. */
const SLICE = 512

export interface NamingSources {
  readonly cgroups: Pick<CgroupIndex, 'ensure' | 'lookup'>
  readonly names: Pick<KubernetesNames, 'ensure'>
  readonly resolver: Resolver
  readonly store: Store
  readonly log: Pick<Logger, 'warn'>
  /** The store's clock, ms. */
  readonly nowMs: () => number
}

/** All of it within a drain. */
export interface Naming {
  take(flows: readonly Flow[]): Promise<void>
  takeHealth(seen: readonly FlowHealth[]): Promise<void>
  /** To be called once everything of a drain was taken: what waited has its name by now, or not, or has waited long enough. */
  settle(): Promise<void>
}

/** What a batch tells of. */
type Told = Pick<Flow, 'key' | 'note'>

interface Cgroup {
  readonly id: bigint
  basis: Basis | undefined
  /** The last that told of it. */
  batch: number
}

/** What keys of a cgroup are named by. Their names stand while it is the cgroup's, and the resolver's generation the same. */
class Basis {
  readonly cgroup: Cgroup
  readonly identity: CgroupIdentity | undefined
  readonly generation: number

  constructor(cgroup: Cgroup, identity: CgroupIdentity | undefined, generation: number) {
    this.cgroup = cgroup
    this.identity = identity
    this.generation = generation
  }
}

/** Kept of a key that another node shows. */
const ELSEWHERE = Symbol('elsewhere')
type Where = Place | typeof ELSEWHERE

export function createNaming({ cgroups, names, resolver, store, log, nowMs }: NamingSources): Naming {
  let refused = false
  const met = new MetCgroups<Cgroup>((id) => ({ id, basis: undefined, batch: 0 }), { nowMs })
  let batch = 0

  const cgroupOf = ({ key, note }: Told): Cgroup => {
    return note?.by instanceof Basis ? note.by.cgroup : met.of(key.cgroup)
  }

  /** Within a batch its generation may change, its identity does not. */
  const basisOf = (cgroup: Cgroup): Basis => (cgroup.basis?.generation === resolver.generation ? cgroup.basis : renew(cgroup))

  const renew = (cgroup: Cgroup): Basis => {
    const { generation } = resolver
    const identity = cgroups.lookup(cgroup.id)
    const { basis } = cgroup
    if (basis !== undefined && basis.identity === identity && basis.generation === generation) return basis
    cgroup.basis = new Basis(cgroup, identity, generation)
    return cgroup.basis
  }

  /** Each cgroup once, however many flows it has. */
  const ensure = async (told: Iterable<Told>): Promise<void> => {
    batch++
    const asked: Cgroup[] = []
    for (const one of told) {
      const cgroup = cgroupOf(one)
      if (cgroup.batch === batch) continue
      cgroup.batch = batch
      asked.push(cgroup)
    }
    await cgroups.ensure(asked.map(({ id }) => id))
    await names.ensure(asked.map(({ id }) => cgroups.lookup(id)))
    for (const cgroup of asked) renew(cgroup)
  }

  /** As it was found before, if that stands. To be called once its cgroup is ensured, in the same turn. */
  const recall = (note: KeyNote | undefined): Where | undefined => {
    const by = note?.by
    if (!(by instanceof Basis) || by.cgroup.basis !== by || by.generation !== resolver.generation) return undefined
    return note?.where as Where
  }

  /** Undefined where it waits for its name. */
  const find = (told: Told): Where | undefined => {
    const { key, note } = told
    const by = basisOf(cgroupOf(told))
    const name = resolver.name(key, note?.name as Named | undefined)
    const { state, labels, attribution } = name
    if (state === 'waiting') return undefined
    const before = note?.where as Where | undefined
    const same = typeof before === 'object' && before.labels === labels && before.attribution === attribution
    const where = state === 'elsewhere' ? ELSEWHERE : same ? before : store.place(labels, attribution)
    if (note !== undefined) {
      note.by = by
      note.where = where
      note.name = name
    }
    return where
  }

  /** It is published without a name then. */
  const refuse = (): void => {
    if (!refused) log.warn('too many flows wait for the names of their containers: others are published without')
    refused = true
  }

  return {
    async take(flows) {
      await ensure(flows)
      const places = new Array<Place>(flows.length)
      const counts = new Array<FlowCounts>(flows.length)
      let placed = 0
      for (const flow of flows) {
        const where = recall(flow.note) ?? find(flow)
        if (where === ELSEWHERE) continue
        if (where !== undefined) {
          places[placed] = where
          counts[placed++] = flow.counts
        } else if (!store.hold(flow.key, flow.counts)) {
          refuse()
          store.add({ ...resolver.name(flow.key), counts: flow.counts })
        }
      }
      places.length = placed
      counts.length = placed
      store.addAll(places, counts)
    },

    async takeHealth(seen) {
      await ensure(seen)
      for (const one of seen) {
        const where = recall(one.note) ?? find(one)
        if (where === ELSEWHERE) continue
        if (where !== undefined) store.addHealthTo(where, one.health)
        else if (!store.holdHealth(one.key, one.health)) {
          refuse()
          store.addHealth({ ...resolver.name(one.key), health: one.health })
        }
      }
    },

    async settle() {
      met.letGo()
      if (store.holding === 0) {
        refused = false
        return
      }
      const held = [...store.held()]
      await ensure(held)
      for (const [index, { key, sinceMs }] of held.entries()) {
        if (index % SLICE === SLICE - 1) await setImmediate()
        const named = resolver.name(key)
        // Also where another process has begun to wait for it.
        if (named.state === 'waiting' && nowMs() - sinceMs < PATIENCE_MS) continue
        store.release(key, named.state === 'elsewhere' ? undefined : named)
      }
    },
  }
}
