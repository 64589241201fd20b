// A row of a table as the store keeps it: what is published of it and where its numbers are. Only a shape.
import type { SeriesRow } from '../model.ts'
import type { Slot } from './numbers.ts'
import type { Pod } from './pods.ts'

/** First what every collection looks at: it lies together in memory. */
export interface Row {
  readonly slot: Slot
  gone: boolean
  /** Since the last sweep. */
  moved: boolean
  /** Its numbers are not those that its table published last. */
  stale: boolean
  readonly tcp: boolean
  /** Where it stood among those. */
  place: number
  series: SeriesRow
  readonly key: string
  /** Key of the workload's `other` row: equal for all rows of one owner and protocol. */
  readonly family: string
  /** Undefined where it is no pod's, or the label is summed away. */
  readonly pod: Pod | undefined
  /** `other` or `overflow`: holds what belongs to rows that could not be told apart. */
  readonly catchAll: boolean
  /** Sample lines that it takes of the limit. */
  readonly lines: number
}
