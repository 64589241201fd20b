// Takes what the kernel told of flows into the store under their owners' names. What awaits a name is held until it has one, at most ten
// seconds; what is another node's is left out. Counts nothing, names nothing itself.
import { setImmediate } from 'node:timers/promises'
import type { Logger } from '../../log.ts'
import type { Flow, FlowHealth, FlowKey } from '../../model.ts'
import type { CgroupIndex } from '../../resolve/cgroup-index.ts'
import type { Resolver } from '../../resolve/flows.ts'
import type { KubernetesNames } from '../../resolve/kubernetes/names.ts'
import type { Store } from '../../store/store.ts'

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

export function createNaming({ cgroups, names, resolver, store, log, nowMs }: NamingSources): Naming {
  let refused = false

  const ensure = async (keys: Iterable<FlowKey>): Promise<void> => {
    const ids = new Set<bigint>()
    for (const { cgroup } of keys) ids.add(cgroup)
    await cgroups.ensure(ids)
    await names.ensure([...ids].map((id) => cgroups.lookup(id)))
  }

  /** It is published without a name then. */
  const refuse = (): void => {
    if (!refused) log.warn('too many flows wait for the names of their containers: others are published without')
    refused = true
  }

  return {
    async take(flows) {
      await ensure(flows.map(({ key }) => key))
      for (const flow of flows) {
        const named = resolver.resolve(flow)
        if (named.state === 'elsewhere') continue
        if (named.state === 'waiting') {
          if (store.hold(flow.key, flow.counts)) continue
          refuse()
        }
        store.add(named)
      }
    },

    async takeHealth(seen) {
      await ensure(seen.map(({ key }) => key))
      for (const { key, health } of seen) {
        const named = resolver.name(key)
        if (named.state === 'elsewhere') continue
        if (named.state === 'waiting') {
          if (store.holdHealth(key, health)) continue
          refuse()
        }
        store.addHealth({ ...named, health })
      }
    },

    async settle() {
      if (store.holding === 0) {
        refused = false
        return
      }
      const held = [...store.held()]
      await ensure(held.map(({ key }) => key))
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
