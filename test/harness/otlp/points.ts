// What a collector is sent, laid flat: a point with all that the messages around it say of it.

export interface KeyValue {
  readonly key: string
  readonly value: {
    readonly string_value?: string
    readonly int_value?: string
    readonly double_value?: number
    readonly bool_value?: boolean
  }
}

interface Timed {
  readonly attributes: readonly KeyValue[]
  readonly start_time_unix_nano: string
  readonly time_unix_nano: string
  readonly flags: number
}

interface NumberPoint extends Timed {
  readonly as_int?: string
  readonly as_double?: number
}

interface HistogramPoint extends Timed {
  readonly count: string
  readonly sum?: number
  readonly bucket_counts: readonly string[]
  readonly explicit_bounds: readonly number[]
  readonly min?: number
  readonly max?: number
}

interface MetricMessage {
  readonly name: string
  readonly description: string
  readonly unit: string
  readonly gauge?: { readonly data_points: readonly NumberPoint[] }
  readonly sum?: { readonly data_points: readonly NumberPoint[]; readonly aggregation_temporality: string; readonly is_monotonic: boolean }
  readonly histogram?: { readonly data_points: readonly HistogramPoint[]; readonly aggregation_temporality: string }
}

export interface ExportRequest {
  readonly resource_metrics: readonly {
    readonly resource: { readonly attributes: readonly KeyValue[]; readonly dropped_attributes_count: number }
    readonly schema_url: string
    readonly scope_metrics: readonly {
      readonly scope: { readonly name: string; readonly version: string; readonly attributes: readonly KeyValue[] }
      readonly schema_url: string
      readonly metrics: readonly MetricMessage[]
    }[]
  }[]
}

export type Attributes = Readonly<Record<string, string | number | boolean>>

export interface OtlpPoint {
  readonly name: string
  readonly description: string
  readonly unit: string
  readonly kind: 'gauge' | 'sum' | 'histogram'
  readonly temporality: 'delta' | 'cumulative' | ''
  readonly monotonic: boolean
  readonly attributes: Attributes
  /** ms since the epoch; 0: none. */
  readonly startMs: number
  readonly timeMs: number
  /** Of a histogram its sum. */
  readonly value: number
  readonly whole: boolean
  readonly counts: readonly number[]
  readonly bounds: readonly number[]
  readonly count: number
  readonly scope: string
}

export function attributesOf(pairs: readonly KeyValue[]): Attributes {
  const attributes: Record<string, string | number | boolean> = {}
  for (const { key, value } of pairs) {
    if (key in attributes) throw new Error(`attribute ${key} comes twice`)
    const { string_value, int_value, double_value, bool_value } = value
    attributes[key] = string_value ?? (int_value === undefined ? (double_value ?? bool_value ?? '') : Number(int_value))
  }
  return attributes
}

const TEMPORALITIES: Readonly<Record<string, OtlpPoint['temporality']>> = {
  AGGREGATION_TEMPORALITY_DELTA: 'delta',
  AGGREGATION_TEMPORALITY_CUMULATIVE: 'cumulative',
}

/** Milliseconds are exact: numbers hold them to the microsecond. */
const ms = (nano: string): number => Number(BigInt(nano) / 1000n) / 1000

export function flatten({ resource_metrics }: ExportRequest): OtlpPoint[] {
  const points: OtlpPoint[] = []
  for (const { scope_metrics } of resource_metrics) {
    for (const { scope, metrics } of scope_metrics)
      for (const metric of metrics) points.push(...pointsOf(metric, `${scope.name} ${scope.version}`))
  }
  return points
}

function* pointsOf({ name, description, unit, gauge, sum, histogram }: MetricMessage, scope: string): Generator<OtlpPoint> {
  const kind = gauge !== undefined ? 'gauge' : sum !== undefined ? 'sum' : 'histogram'
  const temporality = TEMPORALITIES[sum?.aggregation_temporality ?? histogram?.aggregation_temporality ?? ''] ?? ''
  const common = { name, description, unit, kind, temporality, monotonic: sum?.is_monotonic ?? false, scope } as const
  for (const point of gauge?.data_points ?? sum?.data_points ?? []) {
    const { attributes, start_time_unix_nano, time_unix_nano, as_int, as_double } = point
    const value = as_int === undefined ? (as_double ?? Number.NaN) : Number(as_int)
    const times = { startMs: ms(start_time_unix_nano), timeMs: ms(time_unix_nano) }
    yield {
      ...common,
      ...times,
      attributes: attributesOf(attributes),
      value,
      whole: as_int !== undefined,
      counts: [],
      bounds: [],
      count: 0,
    }
  }
  for (const point of histogram?.data_points ?? []) {
    const { attributes, start_time_unix_nano, time_unix_nano, bucket_counts, explicit_bounds, count, sum: total = Number.NaN } = point
    const times = { startMs: ms(start_time_unix_nano), timeMs: ms(time_unix_nano) }
    const counts = bucket_counts.map(Number)
    const buckets = { counts, bounds: explicit_bounds, count: Number(count) }
    yield { ...common, ...times, attributes: attributesOf(attributes), value: total, whole: false, ...buckets }
  }
}
