// What outlives a collection: flows are added to series, series become snapshots; a drain of the kernel's counts counts once, whole.
// Knows names and numbers; nothing of where they come from or who reads them.
import { setImmediate } from 'node:timers/promises'
import type { FlowLabelName } from '../metrics.ts'
import type { Attribution, FlowCounts, FlowKey, FlowLabels, HealthCounts, ResolvedFlow, ResolvedHealth, Snapshot } from '../model.ts'
import { AttributedBytes } from './attribution.ts'
import { CONTAINER_COLUMNS, type Column, flowColumns } from './columns.ts'
import { type Counter, Counters } from './counters.ts'
import { FlowPlace, FlowPlaces, isStill } from './flow-places.ts'
import { FlowTable } from './flow-table.ts'
import { HEALTH_IDENTITY, HEALTH_KINDS, HealthTables, isSound } from './health.ts'
import { containerLabelSet, flowLabelSet } from './labels.ts'
import { Ledger, type Opening } from './ledger.ts'
import type { Drain } from './ledger-header.ts'
import { createProcessMemory, type LedgerMemory } from './ledger-memory.ts'
import type { LedgerWriter } from './ledger-writer.ts'
import { SeriesLimit } from './limit.ts'
import { Placement } from './placement.ts'
import { type Lives, Pods } from './pods.ts'
import { type Held, WAITING_KINDS, WaitingFlows } from './waiting-flows.ts'

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
  /** Series of a pod leave some minutes after it has gone. Left out: nobody knows of pods. */
  readonly lives?: Lives
  /** For tests that end the process between two stores. */
  readonly write?: LedgerWriter
}

/** What the store says of itself. */
export interface StoreStats {
  /** Sample lines that count against the limit. */
  readonly series: number
  /** How often a flow, or what was seen of its health, was added to `peer_kind="other"` for want of room. */
  readonly seriesOverflow: number
  readonly attributedBytes: Readonly<Record<Attribution, number>>
}

/** Of one store alone, and nothing to anybody else. */
export type Place = Pick<FlowPlace, 'labels' | 'attribution'>

/**
 * Of each drain: `begin`, `addAll` and `addHealthTo` of all that it held, `commit`, then the kernel's map is emptied, `emptied`, then
 * `snapshot`. A process may end between any two instructions: the next finds in `drains` what to do again, and all that was
 * committed stands. Without `memory` nobody need begin: all that is added between two commits is one drain.
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
  /** Where what is so named is added; good as long as the store. Nothing is made before something is added. */
  place(labels: FlowLabels, attribution: Attribution): Place
  /** Adds what flows did: each what it did, at its place. */
  addAll(places: readonly Place[], counts: readonly FlowCounts[]): void
  /** Adds what was seen of one flow's health. */
  addHealthTo(place: Place, health: HealthCounts): void
  /** The same for one that has no place: many times the work. */
  add(flow: ResolvedFlow): void
  addHealth(health: ResolvedHealth): void
  /**
   * Keeps what one flow did until its owner has a name, over restarts too, unseen meanwhile. Answers false where there is no room: then
   * nothing is kept. It is still for the caller to ask in each drain whether it has got its name.
   */
  hold(key: FlowKey, counts: FlowCounts): boolean
  /** The same of what was seen of its health. */
  holdHealth(key: FlowKey, health: HealthCounts): boolean
  /** How many flows are held. */
  readonly holding: number
  /** Not to be read further once something was held; releasing does no harm. */
  held(): Iterable<Held>
  /** Adds what is held of a flow, or forgets it where it is nobody's here. */
  release(key: FlowKey, named: Pick<ResolvedFlow, 'labels' | 'attribution'> | undefined): void
  /**
   * Lets idle rows go, and those of pods that have gone; once it resolves all that was added counts. In slices that hold the event
   * loop for some milliseconds each: until then the store is not to be used, and throws. `nowMs`: end of the collection, ms since the
   * epoch.
   */
  commit(nowMs: number): Promise<void>
  /** The map of the last committed drain has been emptied. */
  emptied(): void
  /** End of the last committed collection, ms since the epoch. */
  collectedMs(): number
  /** A copy of all series as they were committed. `nowMs`: end of that collection, ms since the epoch. */
  snapshot(nowMs: number): Snapshot
  /** As of the last commit; not to be called within a drain. */
  stats(): StoreStats
  /** The same over restarts. Throws RangeError beyond some forty names. */
  counter(name: string): Counter
}

/** Tables in the ledger; those of health and of what waits have theirs. */
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
    [flowLabels, flowSet.names, namesOf(columns), containerSet.names, namesOf(CONTAINER_COLUMNS), HEALTH_IDENTITY, seriesLimit],
    options.identity ?? '',
  ])
  const tallied = HEALTH_KINDS.union(WAITING_KINDS)
  const ledger = new Ledger({ memory, identity, startMs, tallied, ...(write === undefined ? {} : { write }) })
  const pods = new Pods(options.lives)
  const flows = new FlowTable(flowSet, columns, ledger, KIND.flows, pods)
  const containers = new FlowTable(containerSet, CONTAINER_COLUMNS, ledger, KIND.containers, pods)
  const health = new HealthTables(flowSet, ledger, pods)
  const waiting = new WaitingFlows(ledger, now)
  const limited = [flows, ...health.limited]
  const unlimited = [containers, ...health.unlimited]
  const limit = new SeriesLimit(seriesLimit)
  const placement = new Placement({ limited, unlimited, limit, ledger, nowMs: now() })
  let phase: Phase = 'between'

  const open = (number: number, source: number): void => {
    if (phase === 'committing') throw new Error('a commit is under way, or has failed: then only a new process knows what counts')
    ledger.begin({ number, source })
    if (phase === 'open') {
      phase = 'committing'
      ledger.rollback()
      placement.undo()
      waiting.undo()
    }
    phase = 'open'
  }
  const within = (): void => {
    if (phase === 'open') return
    if (options.memory !== undefined) throw new Error('nothing can be added outside a drain')
    open(ledger.committed.number + 1, 0)
  }
  const commit = async (nowMs: number): Promise<void> => {
    within()
    phase = 'committing'
    waiting.settle()
    const sweptMs = now()
    pods.review(sweptMs)
    for (const table of [...limited, ...unlimited]) {
      for (const { lines } of table.sweep(sweptMs, seriesIdleMs)) if (lines > 0) limit.giveBack(lines)
    }
    pods.reviewed(sweptMs)
    for (const _ of ledger.commit(nowMs)) await setImmediate()
    placement.keep()
    phase = 'between'
  }

  const counters = new Counters(ledger, KIND.counters, within)
  const attributed = new AttributedBytes(counters)
  const overflow = counters.counter('series overflow')
  const places = new FlowPlaces({ flows, containers, placement, attributed, overflow })

  const addAll = (found: readonly FlowPlace[], counts: readonly FlowCounts[]): void => {
    if (counts.every(isStill)) return
    within()
    places.add(found, counts)
  }
  const addHealthTo = (place: FlowPlace, seen: HealthCounts): void => {
    if (isSound(seen)) return
    within()
    if (health.add(place, seen, placement)) overflow.add(1)
  }

  return {
    opening: ledger.opening,
    startMs: ledger.startMs,
    drains: () => ({ committed: ledger.committed, emptied: ledger.emptied }),

    begin: (number, source = 0) => open(number, source),

    place: (labels, attribution) => new FlowPlace(labels, attribution),
    addAll: (found, counts) => addAll(found as readonly FlowPlace[], counts),
    addHealthTo: (place, seen) => addHealthTo(place as FlowPlace, seen),
    add: ({ labels, attribution, counts }) => addAll([new FlowPlace(labels, attribution)], [counts]),
    addHealth: ({ labels, attribution, health: seen }) => addHealthTo(new FlowPlace(labels, attribution), seen),

    hold(key, counts) {
      if (isStill(counts)) return true
      within()
      return waiting.hold(key, counts)
    },

    holdHealth(key, seen) {
      if (isSound(seen)) return true
      within()
      return waiting.holdHealth(key, seen)
    },

    get holding() {
      return waiting.size
    },
    held: () => waiting.held(),

    release(key, named) {
      within()
      const kept = waiting.release(key)
      if (kept === undefined || named === undefined) return
      const place = new FlowPlace(named.labels, named.attribution)
      addAll([place], [kept.counts])
      addHealthTo(place, kept.health)
    },

    commit,
    emptied: () => ledger.empty(),
    collectedMs: () => ledger.collectedMs,

    snapshot(nowMs) {
      if (phase !== 'between') throw new Error('nothing can be shown before it is committed')
      for (const table of [...limited, ...unlimited]) table.startBy(nowMs)
      return { timeMs: nowMs, flows: flows.publish(), containers: containers.publish(), health: health.publish() }
    },

    stats: () => ({ series: limit.used, seriesOverflow: overflow.value(), attributedBytes: attributed.publish() }),
    counter: (name) => counters.counter(name),
  }
}

function namesOf(columns: readonly Column[]): readonly unknown[] {
  return columns.map(({ series, measures }) => [series.metric.name, series.labelValue, measures])
}
