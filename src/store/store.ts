// What outlives a collection: flows are added to series, series become snapshots; a drain of the kernel's counts counts once, whole.
// Knows names and numbers; nothing of where they come from or who reads them.
import type { FlowLabelName } from '../metrics.ts'
import type { Attribution, FlowCounts, ResolvedFlow, Snapshot } from '../model.ts'
import { AttributedBytes } from './attribution.ts'
import { CONTAINER_COLUMNS, type Column, flowColumns } from './columns.ts'
import { type Counter, Counters } from './counters.ts'
import { containerLabelSet, flowLabelSet, type LabelSet } from './labels.ts'
import { Ledger, type Opening } from './ledger.ts'
import type { Drain } from './ledger-header.ts'
import { createProcessMemory, type LedgerMemory } from './ledger-memory.ts'
import type { LedgerWriter } from './ledger-writer.ts'
import { SeriesLimit } from './limit.ts'
import { Placement } from './placement.ts'
import { Table } from './table.ts'

export interface StoreOptions {
  /** The labels of flow rows; those left out are summed away. */
  readonly flowLabels: readonly FlowLabelName[]
  /** Sample lines of flow rows, 1 at least. */
  readonly seriesLimit: number
  readonly seriesIdleMs: number
  /** A clock that never jumps, ms: only differences count, also those to an earlier process on the same ledger. */
  readonly now?: () => number
  /** When counting began, if it begins now: ms since the epoch. */
  readonly startMs?: number
  /** Where the numbers live; left out, they end with the process. */
  readonly memory?: LedgerMemory
  /** What else must be the same for the numbers in `memory` to go on. */
  readonly identity?: string
  /** For tests that end the process between two stores. */
  readonly write?: LedgerWriter
}

/** What the store says of itself. */
export interface StoreStats {
  /** Sample lines that count against the limit. */
  readonly series: number
  /** How often a flow was added to `peer_kind="other"` for want of room. */
  readonly seriesOverflow: number
  readonly attributedBytes: Readonly<Record<Attribution, number>>
}

/**
 * Of each drain: `begin`, `add` of all that it held, `commit`, then the kernel's map is emptied, `emptied`, then `snapshot`. A process
 * may end between any two instructions: the next finds in `drains` what to do again, and all that was committed stands.
 * Without `memory` nobody need begin or commit: all that is added between two snapshots is one drain.
 */
export interface Store {
  /** Whether the numbers of an earlier process go on. */
  readonly opening: Opening
  /** When counting began, ms since the epoch: of the first process, where numbers go on. */
  readonly startMs: number
  /** The last drain that counts, and the last whose map is known to have been emptied. */
  drains(): { readonly committed: Drain; readonly emptied: Drain }
  /**
   * `number`: higher than that of the last committed drain. `source`: which of the kernel's maps it takes, 0 to 15. What was added and
   * not committed is forgotten: it will be added again.
   */
  begin(number: number, source?: number): void
  /** Adds what one flow did. Cheapest where `flow.labels` is the object of the last time. */
  add(flow: ResolvedFlow): void
  /** Lets idle rows go; from here on all that was added counts. `nowMs`: end of the collection, ms since the epoch. */
  commit(nowMs: number): void
  /** The map of the last committed drain has been emptied. */
  emptied(): void
  /** A copy of all series as they were committed. `nowMs`: end of the collection, ms since the epoch. */
  snapshot(nowMs: number): Snapshot
  /** As of the last commit; not to be called within a drain. */
  stats(): StoreStats
  /** The same over restarts. Throws RangeError beyond some forty names. */
  counter(name: string): Counter
}

/** Tables in the ledger. */
const KIND = { flows: 1, containers: 2, counters: 3 } as const

/** `committing` for ever where a commit threw: this process no longer knows what counts, the next one will. */
type Phase = 'between' | 'open' | 'committing'

/** Of the monotonic clock, which all processes of a host share. */
function sinceBootMs(): number {
  return Number(process.hrtime.bigint()) / 1e6
}

export function createStore(options: StoreOptions): Store {
  const { flowLabels, seriesLimit, seriesIdleMs, now = sinceBootMs, startMs = Date.now(), memory = createProcessMemory(), write } = options
  const flowSet = flowLabelSet(flowLabels)
  const containerSet = containerLabelSet()
  const columns = flowColumns(flowLabels.includes('direction'))
  const identity = JSON.stringify([
    [flowLabels, flowSet.names, namesOf(columns), containerSet.names, namesOf(CONTAINER_COLUMNS), seriesLimit],
    options.identity ?? '',
  ])
  const ledger = new Ledger({ memory, identity, startMs, ...(write === undefined ? {} : { write }) })
  const table = (labels: LabelSet, columns: readonly Column[], kind: number): Table => new Table(labels, columns, ledger, kind)
  const flows = table(flowSet, columns, KIND.flows)
  const containers = table(containerSet, CONTAINER_COLUMNS, KIND.containers)
  const limit = new SeriesLimit(seriesLimit)
  const placement = new Placement(flows, containers, limit, ledger, now())
  let phase: Phase = 'between'

  const open = (number: number, source: number): void => {
    if (phase === 'committing') throw new Error('a commit failed: only a new process knows what counts')
    ledger.begin({ number, source })
    if (phase === 'open') {
      phase = 'committing'
      ledger.rollback()
      placement.undo()
    }
    phase = 'open'
  }
  const within = (): void => {
    if (phase === 'open') return
    if (options.memory !== undefined) throw new Error('nothing can be added outside a drain')
    open(ledger.committed.number + 1, 0)
  }
  const commit = (nowMs: number): void => {
    within()
    phase = 'committing'
    const sweptMs = now()
    for (const row of flows.sweep(sweptMs, seriesIdleMs)) if (row.lines > 0) limit.giveBack(row.lines)
    containers.sweep(sweptMs, seriesIdleMs)
    ledger.commit(nowMs)
    placement.keep()
    phase = 'between'
  }

  const counters = new Counters(ledger, KIND.counters, within)
  const attributed = new AttributedBytes(counters)
  const overflow = counters.counter('series overflow')

  return {
    opening: ledger.opening,
    startMs: ledger.startMs,
    drains: () => ({ committed: ledger.committed, emptied: ledger.emptied }),

    begin: (number, source = 0) => open(number, source),

    add({ labels, attribution, counts }) {
      if (isStill(counts)) return
      within()
      attributed.add(attribution, counts)
      const place = placement.find(labels)
      if (place.crowded) overflow.add(1)
      flows.add(place.flow, counts)
      containers.add(place.container, counts)
    },

    commit,
    emptied: () => ledger.empty(),

    snapshot(nowMs) {
      if (options.memory === undefined) commit(nowMs)
      if (phase !== 'between') throw new Error('nothing can be shown before it is committed')
      for (const table of [flows, containers]) table.startBy(nowMs)
      return { timeMs: nowMs, flows: flows.publish(), containers: containers.publish() }
    },

    stats: () => ({ series: limit.used, seriesOverflow: overflow.value(), attributedBytes: attributed.publish() }),
    counter: (name) => counters.counter(name),
  }
}

function namesOf(columns: readonly Column[]): readonly unknown[] {
  return columns.map(({ series, measures }) => [series.metric.name, series.labelValue, measures])
}

/** A flow that did nothing makes no series and keeps none alive. */
function isStill(counts: FlowCounts): boolean {
  return (
    counts.sentBytes === 0 &&
    counts.receivedBytes === 0 &&
    counts.sentPackets === 0 &&
    counts.receivedPackets === 0 &&
    counts.opened === 0 &&
    counts.adopted === 0 &&
    counts.closed === 0 &&
    counts.retransmitted === 0
  )
}
