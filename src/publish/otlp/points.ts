// One point of a metric, as the SDK writes it, with what is needed beside: its size, and whom to tell that it was taken.
import type { HrTime } from '@opentelemetry/api'
import type { DataPoint, Histogram, MetricData } from '@opentelemetry/sdk-metrics'
import type { Settled } from './book.ts'
import type { Labels } from './labels.ts'

export interface Point<T> extends DataPoint<T> {
  /** Encoded, at most. */
  readonly bytes: number
  /** Of a difference: to be told what became of it. */
  readonly settle?: (how: Settled) => void
}

/** Two times and a number with their tags, the message's own tag and length. */
const NUMBER_BYTES = 36
/** Beside the buckets: two times, count and sum, lengths. */
const HISTOGRAM_BYTES = 56
/** A count and a bound. */
const BUCKET_BYTES = 16

export function hrTime(ms: number): HrTime {
  const seconds = Math.floor(ms / 1000)
  return [seconds, Math.round((ms - seconds * 1000) * 1e6)]
}

/** What a gauge has for a start: none. */
export const NO_START: HrTime = [0, 0]

interface Given<T> {
  readonly labels: Labels
  readonly start: HrTime
  readonly end: HrTime
  readonly value: T
  readonly settle?: ((how: Settled) => void) | undefined
}

export function numberPoint({ labels, start, end, value, settle }: Given<number>): Point<number> {
  const point = { attributes: labels.attributes, startTime: start, endTime: end, value, bytes: NUMBER_BYTES + labels.bytes }
  return settle === undefined ? point : { ...point, settle }
}

/** `bounds` without the last, which is infinite. */
export function histogramPoint(given: Given<{ counts: number[]; bounds: readonly number[]; sum: number }>): Point<Histogram> {
  const { labels, start, end, settle } = given
  const { counts, bounds, sum } = given.value
  const value = { buckets: { boundaries: [...bounds], counts }, sum, count: counts.reduce((all, count) => all + count, 0) }
  const bytes = HISTOGRAM_BYTES + BUCKET_BYTES * counts.length + labels.bytes
  const point = { attributes: labels.attributes, startTime: start, endTime: end, value, bytes }
  return settle === undefined ? point : { ...point, settle }
}

export type OurPoint = Point<number> | Point<Histogram>

/** The points that this folder made; others have no size. */
export function pointsOf(metric: MetricData): readonly OurPoint[] {
  return metric.dataPoints as readonly DataPoint<unknown>[] as readonly OurPoint[]
}

/** The same metric with these of its points. */
export function withPoints(metric: MetricData, points: readonly OurPoint[]): MetricData {
  return { ...metric, dataPoints: points } as unknown as MetricData
}
