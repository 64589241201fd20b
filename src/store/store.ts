// What outlives a collection: flows are added to series, series become snapshots. Decides which row a flow belongs to.
// Knows names and numbers; nothing of where they come from or who reads them.
import { performance } from 'node:perf_hooks'
import type { FlowLabelName } from '../metrics.ts'
import type { Attribution, FlowCounts, FlowLabels, ResolvedFlow, Snapshot } from '../model.ts'
import { AttributedBytes } from './attribution.ts'
import { CONTAINER_COLUMNS, flowColumns } from './columns.ts'
import { containerLabelSet, flowLabelSet } from './labels.ts'
import { SeriesLimit } from './limit.ts'
import { Numbers } from './numbers.ts'
import type { Row } from './row.ts'
import { Table } from './table.ts'

export interface StoreOptions {
  /** The labels of flow rows; those left out are summed away. */
  readonly flowLabels: readonly FlowLabelName[]
  /** Sample lines of flow rows, 1 at least. */
  readonly seriesLimit: number
  readonly seriesIdleMs: number
  /** A clock that never jumps, ms: only differences count. */
  readonly now?: () => number
  /** When counting began, ms since the epoch. */
  readonly startMs?: number
}

/** What the store says of itself. */
export interface StoreStats {
  /** Sample lines that count against the limit. */
  readonly series: number
  /** How often a flow was added to `peer_kind="other"` for want of room. */
  readonly seriesOverflow: number
  readonly attributedBytes: Readonly<Record<Attribution, number>>
}

export interface Store {
  /** Adds what one flow did. Cheapest where `flow.labels` is the object of the last time. */
  add(flow: ResolvedFlow): void
  /**
   * Ends a collection: lets idle rows go and copies the rest. Not to be called between the adds of one collection.
   * `nowMs`: end of the collection, ms since the epoch.
   */
  snapshot(nowMs: number): Snapshot
  stats(): StoreStats
}

/** Where a flow's numbers go. */
interface Place {
  readonly flow: Row
  readonly container: Row
  /** SeriesLimit.returns when the flow found no room; undefined where its row is its own. */
  readonly crowdedAt: number | undefined
}

export function createStore(options: StoreOptions): Store {
  const { flowLabels, seriesLimit, seriesIdleMs, now = () => performance.now(), startMs = Date.now() } = options
  const numbers = new Numbers()
  const flows = new Table(flowLabelSet(flowLabels), flowColumns(flowLabels.includes('direction')), numbers)
  const containers = new Table(containerLabelSet(), CONTAINER_COLUMNS, numbers)
  const limit = new SeriesLimit(seriesLimit)
  const attributed = new AttributedBytes(numbers)
  // Bounded by the resolver's own cache, which holds the label objects.
  const places = new WeakMap<FlowLabels, Place>()
  let sinceMs = startMs
  let lastId = 0
  let overflow = 0

  const make = (table: Table, values: readonly string[], key: string, family: string, lines: number): Row =>
    table.make(key, family, { id: ++lastId, labels: values, startMs: sinceMs }, lines)

  function containerRow(labels: FlowLabels): Row {
    const values = containers.labels.values(labels)
    const key = containers.labels.key(values)
    return containers.find(key) ?? make(containers, values, key, containers.labels.key(containers.labels.widen(values)), 0)
  }

  function findPlace(labels: FlowLabels): Place {
    const container = containerRow(labels)
    const values = flows.labels.values(labels)
    const key = flows.labels.key(values)
    const found = flows.find(key)
    if (found !== undefined) return { flow: found, container, crowdedAt: undefined }

    const wide = flows.labels.widen(values)
    const family = flows.labels.key(wide)
    const lines = flows.labels.catchAll(values) ? 0 : flows.linesOf(values)
    if (limit.take(lines)) return { flow: make(flows, values, key, family, lines), container, crowdedAt: undefined }
    return { flow: flows.find(family) ?? make(flows, wide, family, family, 0), container, crowdedAt: limit.returns }
  }

  function stands(place: Place): boolean {
    if (place.flow.gone || place.container.gone) return false
    return place.crowdedAt === undefined || place.crowdedAt === limit.returns
  }

  return {
    add({ labels, attribution, counts }) {
      if (isStill(counts)) return
      attributed.add(attribution, counts)
      let place = places.get(labels)
      if (place === undefined || !stands(place)) {
        place = findPlace(labels)
        places.set(labels, place)
      }
      if (place.crowdedAt !== undefined) overflow++
      flows.add(place.flow, counts)
      containers.add(place.container, counts)
    },

    snapshot(nowMs) {
      const sweptMs = now()
      for (const row of flows.sweep(sweptMs, seriesIdleMs)) if (row.lines > 0) limit.giveBack(row.lines)
      containers.sweep(sweptMs, seriesIdleMs)
      sinceMs = nowMs
      return { timeMs: nowMs, flows: flows.publish(), containers: containers.publish() }
    },

    stats: () => ({ series: limit.used, seriesOverflow: overflow, attributedBytes: attributed.publish() }),
  }
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
