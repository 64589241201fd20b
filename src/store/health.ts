// Takes apart what was seen of a flow's health: failures, times and drops have tables of their own, and rows only where something
// happened. Knows nothing of limits, nor where the numbers come from.
import { CONNECT_TIME, RTT } from '../metrics.ts'
import type { HealthCounts, SeriesColumn, SeriesTable } from '../model.ts'
import { DROP_COLUMNS, FAILURE_COLUMNS, timeColumns } from './columns.ts'
import type { FlowPlace } from './flow-places.ts'
import { type LabelSet, ownerLabelSet, timeLabelSet } from './labels.ts'
import type { Ledger } from './ledger.ts'
import type { Place, Placement } from './placement.ts'
import type { Pods } from './pods.ts'
import { TallyTable } from './tally-table.ts'

/** Tables in the ledger. */
const KIND = { failures: 4, rtt: 5, connect: 6, drops: 7 } as const

export const HEALTH_KINDS: ReadonlySet<number> = new Set(Object.values(KIND))

const TIMES = timeLabelSet()
const OWNERS = ownerLabelSet()
const RTT_COLUMNS = timeColumns(RTT)
const CONNECT_COLUMNS = timeColumns(CONNECT_TIME)

/** What must be the same for the numbers to go on, beside the labels of flows. */
export const HEALTH_IDENTITY: readonly unknown[] = [
  namesOf(FAILURE_COLUMNS),
  [TIMES.names, namesOf(RTT_COLUMNS), namesOf(CONNECT_COLUMNS)],
  [OWNERS.names, namesOf(DROP_COLUMNS)],
]

export class HealthTables {
  readonly #failures: TallyTable
  readonly #rtt: TallyTable
  readonly #connect: TallyTable
  readonly #drops: TallyTable

  /** Failures have the labels of flows. */
  constructor(flows: LabelSet, ledger: Ledger, pods: Pods) {
    this.#failures = new TallyTable(flows, FAILURE_COLUMNS, ledger, KIND.failures, pods)
    this.#rtt = new TallyTable(TIMES, RTT_COLUMNS, ledger, KIND.rtt, pods)
    this.#connect = new TallyTable(TIMES, CONNECT_COLUMNS, ledger, KIND.connect, pods)
    this.#drops = new TallyTable(OWNERS, DROP_COLUMNS, ledger, KIND.drops, pods)
  }

  /** Their lines count against the limit. */
  get limited(): readonly TallyTable[] {
    return [this.#failures, this.#rtt, this.#connect]
  }

  get unlimited(): readonly TallyTable[] {
    return [this.#drops]
  }

  /** Answers whether any of it found no room of its own. */
  add(place: FlowPlace, health: HealthCounts, placement: Placement): boolean {
    const { failed, rtt, connect, listenOverflows, receiveDrops } = health
    let crowded = false
    const put = (table: TallyTable, deltas: readonly number[]): void => {
      if (!deltas.some((delta) => delta !== 0)) return
      const { row, crowded: full } = this.#place(table, place, placement)
      table.add(row, deltas)
      crowded ||= full
    }
    put(this.#failures, failed)
    put(this.#rtt, [...rtt.buckets, rtt.sum])
    put(this.#connect, [...connect.buckets, connect.sum])
    put(this.#drops, [listenOverflows, receiveDrops])
    return crowded
  }

  publish(): readonly SeriesTable[] {
    return [...this.limited, ...this.unlimited].map((table) => table.publish())
  }

  #place(table: TallyTable, { labels, health: places }: FlowPlace, placement: Placement): Place {
    const known = places[table.kind]
    if (known !== undefined && !known.row.gone && (!known.crowded || known.since === placement.returns)) return known
    // First: whoever found no room asks again when some came while it was looking.
    const since = placement.returns
    const found = { ...placement.find(table, labels), since }
    places[table.kind] = found
    return found
  }
}

/** Was nothing seen at all? */
export function isSound({ failed, rtt, connect, listenOverflows, receiveDrops }: HealthCounts): boolean {
  const none = (numbers: readonly number[]): boolean => !numbers.some((number) => number !== 0)
  return listenOverflows === 0 && receiveDrops === 0 && none(failed) && none(rtt.buckets) && none(connect.buckets)
}

function namesOf(columns: readonly SeriesColumn[]): readonly unknown[] {
  return columns.map(({ metric, labelValue, bound }) => [metric.name, labelValue, bound])
}
