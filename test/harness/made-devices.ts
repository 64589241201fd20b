// GPUs, RDMA, Kubernetes and OTLP of the made-up cluster: families by the agreed names, for what the code does not publish yet.
import type { MetricType } from '../../src/model.ts'
import type { Family } from '../../src/publish/text.ts'
import { METRICS } from './contract-metrics.ts'

/** From one scrape to the next, s. */
export const STEP_S = 60

type Labels = Readonly<Record<string, string>>

function family(name: string, samples: readonly (readonly [Labels, number])[]): Family {
  const metric = METRICS.get(name)
  if (metric === undefined) throw new Error(`${name} is no metric of ours`)
  const complete = (labels: Labels): Labels => Object.fromEntries(metric.labels.map((label) => [label, labels[label] ?? '']))
  const type: MetricType = metric.type
  return {
    name,
    type,
    unit: '',
    help: metric.help,
    samples: samples.map(([labels, value]) => ({ suffix: '', labels: complete(labels), value })),
  }
}

/** Node a: a training pod with two GPUs. Node b: one with one GPU, and a GPU that two pods share. */
export function devices(index: number, step: number, nowMs: number): Family[] {
  const owner = { namespace: 'ml', pod: `train-${index}`, container: 'main', workload: 'train', workload_kind: 'Job' }
  const device = (gpu: number, more: Labels): Labels => ({
    gpu: String(gpu),
    gpu_uuid: `GPU-${index}${gpu}`,
    gpu_model: 'NVIDIA H100',
    ...more,
  })
  const gpus = [
    device(0, { ...owner, sharing: 'exclusive' }),
    device(1, index === 0 ? { ...owner, sharing: 'exclusive' } : { sharing: 'time_slicing' }),
  ]
  const busy = (gpu: number): number => (index === 0 ? 0.85 : 0.12) * (1 - 0.1 * gpu)
  const each = (name: string, value: (gpu: number) => number): Family =>
    family(
      `orb8_gpu_${name}`,
      gpus.map((labels, gpu) => [labels, value(gpu)]),
    )
  const sharers =
    index === 0
      ? []
      : ['infer-0', 'infer-1'].map((name) => ({
          namespace: 'ml',
          pod: name,
          container: 'main',
          workload: 'infer',
          workload_kind: 'Deployment',
        }))
  const processes = [...gpus.filter(({ pod: holder }) => holder !== undefined), ...sharers.map((sharer) => device(1, sharer))]
  return [
    each('utilization_ratio', busy),
    each('memory_used_bytes', () => 60e9),
    each('memory_total_bytes', () => 80e9),
    each('power_watts', (gpu) => 100 + 500 * busy(gpu)),
    each('temperature_celsius', (gpu) => 35 + 40 * busy(gpu)),
    each('energy_joules_total', (gpu) => (100 + 500 * busy(gpu)) * STEP_S * step),
    each('sm_active_ratio', (gpu) => busy(gpu) * 0.8),
    each('tensor_active_ratio', (gpu) => busy(gpu) * 0.4),
    each('dram_active_ratio', (gpu) => busy(gpu) * 0.5),
    each('last_xid', (gpu) => (index === 1 && gpu === 1 ? 31 : 0)),
    family(
      'orb8_gpu_pcie_bytes_per_second',
      gpus.flatMap((labels) => ['egress', 'ingress'].map((direction) => [{ ...labels, direction }, 4e8] as const)),
    ),
    family(
      'orb8_gpu_process_utilization_ratio',
      processes.map((labels) => [labels, 0.3] as const),
    ),
    family(
      'orb8_gpu_process_memory_used_bytes',
      processes.map((labels) => [labels, 20e9] as const),
    ),
    family(
      'orb8_rdma_bytes_total',
      ['egress', 'ingress'].map((direction) => [{ ...owner, device: 'mlx5_0', port: '1', direction }, 3e9 * step] as const),
    ),
    ...['pods', 'services', 'nodes'].map((resource) => family('orb8_k8s_watch_connected', [[{ resource }, 1]])),
    family('orb8_k8s_watch_reconnections_total', [[{ resource: 'pods' }, Math.floor(step / 3)]]),
    family('orb8_k8s_last_sync_timestamp_seconds', [[{ resource: 'pods' }, nowMs / 1000 - 20]]),
    family('orb8_k8s_pods_tracked', [[{}, 8]]),
    family('orb8_otlp_exports_total', [
      [{ result: 'success' }, step],
      [{ result: 'failure' }, index],
    ]),
  ]
}
