// What the rows about a running exporter are made from, and how one is made. Knows no metric.
import type { Finding } from './check.ts'
import type { Samples } from './samples.ts'

/** Settings that the numbers are held against: those of this process, which should be the exporter's. */
export interface Sizes {
  readonly collectIntervalMs: number
  readonly flowEntries: number
  readonly sockets: number
  readonly seriesLimit: number
}

export interface OwnNumbers {
  readonly samples: Samples
  /** The same a moment before, for rates. */
  readonly before: Samples
  /** Between the two, s; 0 where there is only one. */
  readonly seconds: number
  readonly sizes: Sizes
  /** Since the epoch, s. */
  readonly now: number
}

/** A number that is not what it should be is only a warning: the exporter runs. */
export function row(name: string, good: boolean, found: string, should: string, remedy: string): Finding {
  return { check: `exporter ${name}`, status: good ? 'ok' : 'warn', found, should, remedy: good ? '' : remedy }
}
