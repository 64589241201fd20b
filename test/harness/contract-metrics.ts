// Every metric that dashboards and rules may ask for: those that are published, and those whose names stand fixed before their code is there.
import { ALL_METRICS, ALWAYS_WRITTEN } from '../../src/metrics.ts'
import type { Metric, MetricType } from '../../src/model.ts'

const OWNER = [...ALWAYS_WRITTEN, 'workload', 'workload_kind']
const DEVICE = [...OWNER, 'gpu_uuid', 'gpu', 'gpu_model', 'mig_profile', 'mig_instance', 'sharing']

const metric = (name: string, type: MetricType, labels: readonly string[]): Metric => ({ name, type, unit: '', labels, help: name })
const gpu = (name: string, ...more: string[]): Metric =>
  metric(`orb8_gpu_${name}`, name.endsWith('_total') ? 'counter' : 'gauge', [...DEVICE, ...more])

/** By the words that all agreed on. */
const AGREED: readonly Metric[] = [
  metric('orb8_k8s_watch_connected', 'gauge', ['resource']),
  metric('orb8_k8s_watch_reconnections_total', 'counter', ['resource']),
  metric('orb8_k8s_last_sync_timestamp_seconds', 'gauge', ['resource']),
  metric('orb8_k8s_pods_tracked', 'gauge', []),
  metric('orb8_otlp_exports_total', 'counter', ['result']),
  gpu('utilization_ratio'),
  gpu('memory_used_bytes'),
  gpu('memory_total_bytes'),
  gpu('power_watts'),
  gpu('temperature_celsius'),
  gpu('energy_joules_total'),
  gpu('sm_active_ratio'),
  gpu('tensor_active_ratio'),
  gpu('dram_active_ratio'),
  gpu('pcie_bytes_per_second', 'direction'),
  gpu('last_xid'),
  metric('orb8_gpu_process_utilization_ratio', 'gauge', [...OWNER, 'gpu_uuid', 'gpu']),
  metric('orb8_gpu_process_memory_used_bytes', 'gauge', [...OWNER, 'gpu_uuid', 'gpu']),
  metric('orb8_rdma_bytes_total', 'counter', [...OWNER, 'device', 'port', 'direction']),
]

/** By name; what the code says wins. */
export const METRICS: ReadonlyMap<string, Metric> = new Map([...AGREED, ...ALL_METRICS].map((known) => [known.name, known]))

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
