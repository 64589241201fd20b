// A collector over any source, with a real store to commit its drains to: for tests that look at the flows themselves.
import { FlowCollector, type FlowSource, type Step } from '../../src/collect/flows.ts'
import { DEFAULT_FLOW_LABELS } from '../../src/config/flow-labels.ts'
import type { Flow, FlowHealth } from '../../src/model.ts'
import { createProcessMemory, type LedgerMemory } from '../../src/store/ledger-memory.ts'
import { createStore, type Store } from '../../src/store/store.ts'

export interface Collecting {
  readonly collector: FlowCollector
  readonly store: Store
  /** One collection: what it took. */
  collect(): Promise<Flow[]>
  /** What the last one took beside the flows. */
  health(): FlowHealth[]
}

export function collecting(
  source: FlowSource,
  { memory = createProcessMemory(), step }: { memory?: LedgerMemory; step?: (name: Step) => void } = {},
): Collecting {
  const store = createStore({ flowLabels: DEFAULT_FLOW_LABELS, seriesLimit: 1000, seriesIdleMs: 3_600_000, memory })
  let taken: Flow[] = []
  let seen: FlowHealth[] = []
  const collector = new FlowCollector({
    source,
    ledger: store,
    take: (flows) => {
      taken.push(...flows)
    },
    takeHealth: (more) => {
      seen.push(...more)
    },
    ...(step === undefined ? {} : { step }),
  })
  const collect = async (): Promise<Flow[]> => {
    taken = []
    seen = []
    await collector.collect()
    return taken
  }
  return { collector, store, collect, health: () => seen }
}
