// A metric of ours and its points as one of the SDK's. Knows its shapes; nothing of where points come from.
import { ValueType } from '@opentelemetry/api'
import { AggregationTemporality, DataPointType, type MetricData } from '@opentelemetry/sdk-metrics'
import type { Metric } from '../../model.ts'
import { instrumentOf } from './names.ts'
import type { OurPoint } from './points.ts'

/** Units of what can be half. */
const FRACTIONAL = new Set(['s', '1', 'W', 'J', 'Cel', 'Hz', 'By/s', ''])

export function metricData(metric: Omit<Metric, 'labels'>, points: readonly OurPoint[], delta: boolean): MetricData {
  const { name, unit } = instrumentOf(metric)
  const valueType = FRACTIONAL.has(unit) ? ValueType.DOUBLE : ValueType.INT
  const base = {
    descriptor: { name, description: metric.help, unit, valueType },
    aggregationTemporality: delta ? AggregationTemporality.DELTA : AggregationTemporality.CUMULATIVE,
    dataPoints: points,
  }
  switch (metric.type) {
    case 'counter':
      return { ...base, dataPointType: DataPointType.SUM, isMonotonic: true } as unknown as MetricData
    case 'gauge':
      return { ...base, dataPointType: DataPointType.GAUGE } as unknown as MetricData
    case 'histogram':
      return { ...base, dataPointType: DataPointType.HISTOGRAM } as unknown as MetricData
    default:
      return metric.type satisfies never
  }
}
