// Every metric that dashboards and rules may ask for.
import { ALL_METRICS } from '../../src/metrics.ts'
import type { Metric } from '../../src/model.ts'

/** By name. */
export const METRICS: ReadonlyMap<string, Metric> = new Map(ALL_METRICS.map((known) => [known.name, known]))

/** What Prometheus adds to every scrape, and what a relabelling may. */
export const TARGET_LABELS = ['cluster', 'node', 'zone', 'job', 'instance', 'namespace', 'pod'] as const

/** Of any exporter, or of any scrape. */
export const COMMON = [
  'up',
  'scrape_duration_seconds',
  'process_cpu_seconds_total',
  'process_resident_memory_bytes',
  'nodejs_eventloop_lag_max_seconds',
]
