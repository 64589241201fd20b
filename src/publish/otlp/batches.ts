// Cuts an export into requests that a collector takes: none is longer than asked, whatever the labels' lengths. Sends nothing.
import type { MetricData, ResourceMetrics } from '@opentelemetry/sdk-metrics'
import { labelsOf } from './labels.ts'
import { type OurPoint, pointsOf, withPoints } from './points.ts'

/**
 * Collectors and gRPC servers take 4 MiB if nobody raised it. A quarter of it costs a handful more requests a minute, and a quarter of
 * the memory.
 */
export const BATCH_BYTES = 1024 * 1024

/** Tags and lengths of the messages around, the dropped count, schema URLs that nobody sets. */
const FRAME_BYTES = 64

export interface Batch {
  readonly request: ResourceMetrics
  readonly points: readonly OurPoint[]
  /** Encoded, at most; above the limit only where a single point is. */
  readonly bytes: number
}

/** Batches of at most `limit` bytes, in order. The points must be of this folder's making. */
export function* batchesOf({ resource, scopeMetrics }: ResourceMetrics, limit = BATCH_BYTES): Generator<Batch> {
  const pairs = Object.entries(resource.attributes).flatMap(([name, value]) => (value === undefined ? [] : [[name, value] as const]))
  const around = FRAME_BYTES + labelsOf(pairs).bytes
  for (const { scope, metrics } of scopeMetrics) {
    const fixed = around + FRAME_BYTES + Buffer.byteLength(`${scope.name}${scope.version ?? ''}`)
    let batch = new Growing(fixed)
    const cut = (): Batch => {
      const { metrics: whole, points, bytes } = batch
      batch = new Growing(fixed)
      return { request: { resource, scopeMetrics: [{ scope, metrics: whole }] }, points, bytes }
    }
    for (const metric of metrics) {
      const head = headBytes(metric)
      let points: OurPoint[] = []
      const close = (): void => {
        if (points.length > 0) batch.metrics.push(withPoints(metric, points))
        points = []
      }
      for (const point of pointsOf(metric)) {
        const more = point.bytes + (points.length === 0 ? head : 0)
        if (batch.points.length > 0 && batch.bytes + more > limit) {
          close()
          yield cut()
        }
        batch.bytes += point.bytes + (points.length === 0 ? head : 0)
        points.push(point)
        batch.points.push(point)
      }
      close()
    }
    if (batch.points.length > 0) yield cut()
  }
}

class Growing {
  readonly metrics: MetricData[] = []
  readonly points: OurPoint[] = []
  bytes: number

  constructor(bytes: number) {
    this.bytes = bytes
  }
}

function headBytes({ descriptor: { name, description, unit } }: MetricData): number {
  return FRAME_BYTES + Buffer.byteLength(name) + Buffer.byteLength(description) + Buffer.byteLength(unit)
}
