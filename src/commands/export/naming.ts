// Takes what the kernel told of flows into the store under their owners' names. What awaits a name is held until it has one, at most ten
// seconds; what is another node's is left out. Counts nothing, names nothing itself.
import { setImmediate } from 'node:timers/promises'
import type { Logger } from '../../log.ts'
import type { Flow, FlowHealth } from '../../model.ts'
import type { CgroupIndex } from '../../resolve/cgroup-index.ts'
import type { CgroupIdentity } from '../../resolve/cgroup-path.ts'
import type { Named, Resolver } from '../../resolve/flows.ts'
import type { KubernetesNames } from '../../resolve/kubernetes/names.ts'
import type { Place, PlacedFlow, Store } from '../../store/store.ts'

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

/** Cgroups met since they were last forgotten, 100 B each; meeting one twice does no harm. */
const MOST_CGROUPS = 65_536

/** As of the last batch that told of it. */
interface Cgroup {
  readonly id: bigint
  identity: CgroupIdentity | undefined
  batch: number
}

/** Where what a key did is added, kept with the key while nothing changes that it was named by. */
class Known {
  /** Of the resolver. */
  readonly generation: number
  readonly cgroup: Cgroup
  readonly identity: CgroupIdentity | undefined
  /** Undefined where it waits for its name, or is another node's. */
  readonly place: Place | undefined
  readonly named: Named

  constructor(generation: number, cgroup: Cgroup, place: Place | undefined, named: Named) {
    this.generation = generation
    this.cgroup = cgroup
    this.identity = cgroup.identity
    this.place = place
    this.named = named
  }
}

export function createNaming({ cgroups, names, resolver, store, log, nowMs }: NamingSources): Naming {
  let refused = false
  const met = new Map<bigint, Cgroup>()
  let batch = 0

  const cgroupOf = ({ key, note }: Told): Cgroup => {
    if (note?.kept instanceof Known) return note.kept.cgroup
    let cgroup = met.get(key.cgroup)
    if (cgroup === undefined) {
      if (met.size >= MOST_CGROUPS) met.clear()
      cgroup = { id: key.cgroup, identity: undefined, batch: 0 }
      met.set(cgroup.id, cgroup)
    }
    return cgroup
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
    for (const cgroup of asked) cgroup.identity = cgroups.lookup(cgroup.id)
  }

  const placeOf = ({ labels, attribution }: Named, before: Place | undefined): Place =>
    before?.labels === labels && before.attribution === attribution ? before : store.place(labels, attribution)

  /** To be called once its cgroup is ensured, in the same turn. */
  const find = (told: Told): Known => {
    const kept = told.note?.kept
    const { generation } = resolver
    const known = kept instanceof Known ? kept : undefined
    if (known?.generation === generation && known.identity === known.cgroup.identity) return known
    const named = resolver.name(told.key)
    const place = named.state === 'named' ? placeOf(named, known?.place) : undefined
    const found = new Known(generation, cgroupOf(told), place, named)
    if (told.note !== undefined && named.state !== 'waiting') told.note.kept = found
    return found
  }

  /** It is published without a name then. */
  const refuse = (): void => {
    if (!refused) log.warn('too many flows wait for the names of their containers: others are published without')
    refused = true
  }

  return {
    async take(flows) {
      await ensure(flows)
      const placed: PlacedFlow[] = []
      for (const flow of flows) {
        const { named, place } = find(flow)
        if (place !== undefined) placed.push({ place, counts: flow.counts })
        else if (named.state === 'waiting' && !store.hold(flow.key, flow.counts)) {
          refuse()
          store.add({ ...named, counts: flow.counts })
        }
      }
      store.addAll(placed)
    },

    async takeHealth(seen) {
      await ensure(seen)
      for (const one of seen) {
        const { named, place } = find(one)
        if (place !== undefined) store.addHealthTo(place, one.health)
        else if (named.state === 'waiting' && !store.holdHealth(one.key, one.health)) {
          refuse()
          store.addHealth({ ...named, health: one.health })
        }
      }
    },

    async settle() {
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
