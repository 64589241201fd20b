// What the exporter's thread and the push's thread say to each other. Shapes only; all of it can be cloned.
import type { SeriesColumn } from '../../model.ts'
import type { Family } from '../text.ts'
import type { OtlpSettings } from './settings.ts'

/** Between the labels of a row: names and paths hold no NUL. */
export const SEPARATOR = '\0'

export interface RowRecord {
  readonly id: number
  readonly startMs: number
  readonly tcp: boolean
  /** Its labels with SEPARATOR between them. */
  readonly labels: string
}

/** Tables are told by their place in the snapshot. Rows go over once, values every time. */
export type ToPush =
  | { readonly type: 'table'; readonly table: number; readonly labelNames: readonly string[]; readonly columns: readonly SeriesColumn[] }
  | { readonly type: 'rows'; readonly table: number; readonly rows: readonly RowRecord[] }
  /** `ids`: of all rows in order, where they are not those of the last time. */
  | { readonly type: 'values'; readonly table: number; readonly ids?: Float64Array; readonly values: Float64Array }
  /** Rows that left the snapshot since the last time, with their last values. */
  | { readonly type: 'left'; readonly table: number; readonly rows: readonly RowRecord[]; readonly values: Float64Array }
  /** What came before was delivered earlier: differences are taken from there. */
  | { readonly type: 'delivered'; readonly timeMs: number }
  /** All of the answer to `collect` has come. Without `timeMs` there is no snapshot yet. */
  | { readonly type: 'collected'; readonly request: number; readonly timeMs?: number; readonly families: readonly Family[] }
  /** One last export, then `closed`. */
  | { readonly type: 'close'; readonly withinMs: number }

export type FromPush =
  | { readonly type: 'collect'; readonly request: number }
  | { readonly type: 'outcome'; readonly outcome: Outcome }
  | { readonly type: 'closed' }

/** How one export ended. */
export interface Outcome {
  /**
   * `taken`: all of it. `partial`: the collector took the request and threw points away. `refused`, `unreachable`, `late`: not all of it.
   */
  readonly result: 'taken' | 'partial' | 'refused' | 'unreachable' | 'late'
  /** gRPC's code, or what stood in the way; changes where the cause does. */
  readonly code: string
  /** In the collector's words, or gRPC's. */
  readonly detail: string
  readonly rejectedPoints: number
  /** Rows that left while the collector took nothing, and whose last differences found no more room. */
  readonly lostRows: number
}

/** What the push's thread starts with. */
export interface Start {
  readonly settings: OtlpSettings
  readonly version: string
  readonly hostName: string
  /** When the process began to count its own numbers, ms since the epoch. */
  readonly startMs: number
  /** The same of the numbers that outlive the process. */
  readonly keptStartMs: number
  /**
   * Which of the exporter's own numbers were delivered before, up to what they are at first sight: those that outlive the process by an
   * earlier one, all by an earlier thread.
   */
  readonly delivered: 'none' | 'kept' | 'all'
}
