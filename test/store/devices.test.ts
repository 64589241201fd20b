import t from 'tap'
import { DEVICE_METRICS } from '../../src/metrics.ts'
import type { GpuDevice, Owner, ResolvedGpu, ResolvedGpuProcess, ResolvedRdmaPort, SampleFamily } from '../../src/model.ts'
import { createDeviceStore } from '../../src/store/devices.ts'

const NOBODY: Owner = { namespace: '', pod: '', container: '', workload: '', workloadKind: '' }
const TRAIN: Owner = { namespace: 'ml', pod: 'train-0', container: 'main', workload: 'train', workloadKind: 'Job' }
const SERVE: Owner = { ...TRAIN, pod: 'serve-0', workload: 'serve' }

const device = (index: number, more: Partial<GpuDevice> = {}): GpuDevice => ({
  uuid: `GPU-${index}`,
  index: String(index),
  minor: String(index),
  model: 'NVIDIA H100 80GB HBM3',
  migProfile: '',
  migInstance: '',
  migUuids: [],
  ...more,
})

/** `name{label="value",...}` without empty ones -> value. */
function lines(families: readonly SampleFamily[]): Record<string, number> {
  const all = families.flatMap(({ metric, samples }) =>
    samples.map(({ labels, value }) => {
      if (labels.length !== metric.labels.length) throw new Error(`${metric.name} has other labels: ${labels}`)
      const pairs = metric.labels.flatMap((name, index) => (labels[index] === '' ? [] : [`${name}=${labels[index]}`]))
      return [`${metric.name}{${pairs.join(',')}}`, value] as const
    }),
  )
  if (new Set(all.map(([line]) => line)).size !== all.length) throw new Error('a series twice')
  return Object.fromEntries(all)
}

const WHOLE =
  'namespace=ml,pod=train-0,container=main,workload=train,workload_kind=Job,gpu_uuid=GPU-0,gpu=0,gpu_model=NVIDIA H100 80GB HBM3'

t.test("a device's figures become the contract's metrics", async (t) => {
  const gpu: ResolvedGpu = {
    device: device(0),
    owner: TRAIN,
    sharing: 'exclusive',
    readings: {
      utilization: 0.37,
      memoryUsedBytes: 1,
      memoryTotalBytes: 2,
      powerWatts: 250.5,
      temperatureCelsius: 44,
      energyJoules: 1000,
      smActive: 0.1,
      tensorActive: 0.2,
      dramActive: 0.3,
      pcieEgress: 4,
      pcieIngress: 5,
      lastXid: 79,
      smClockHertz: 1.98e9,
      memoryClockHertz: 2.6e9,
    },
  }
  const families = createDeviceStore(1234).families({ gpus: [gpu] })
  const labels = `${WHOLE},sharing=exclusive`
  t.strictSame(lines(families), {
    [`orb8_gpu_utilization_ratio{${labels}}`]: 0.37,
    [`orb8_gpu_memory_used_bytes{${labels}}`]: 1,
    [`orb8_gpu_memory_total_bytes{${labels}}`]: 2,
    [`orb8_gpu_power_watts{${labels}}`]: 250.5,
    [`orb8_gpu_temperature_celsius{${labels}}`]: 44,
    [`orb8_gpu_energy_joules_total{${labels}}`]: 1000,
    [`orb8_gpu_sm_active_ratio{${labels}}`]: 0.1,
    [`orb8_gpu_tensor_active_ratio{${labels}}`]: 0.2,
    [`orb8_gpu_dram_active_ratio{${labels}}`]: 0.3,
    [`orb8_gpu_pcie_bytes_per_second{${labels},direction=egress}`]: 4,
    [`orb8_gpu_pcie_bytes_per_second{${labels},direction=ingress}`]: 5,
    [`orb8_gpu_clock_hertz{${labels},clock=sm}`]: 1.98e9,
    [`orb8_gpu_clock_hertz{${labels},clock=memory}`]: 2.6e9,
    [`orb8_gpu_last_xid{${labels}}`]: 79,
  })
  t.ok(families.every(({ samples }) => samples.every(({ startMs }) => startMs === 1234)))
  t.strictSame(
    families.map(({ metric }) => metric),
    DEVICE_METRICS.filter((metric) => families.some((family) => family.metric === metric)),
    'in the order of metrics.ts',
  )
})

t.test('what is not known has no sample, what is 0 has one', async (t) => {
  const seen = { gpus: [{ device: device(0), owner: NOBODY, sharing: 'none' as const, readings: { utilization: 0, energyJoules: 0 } }] }
  t.strictSame(Object.values(lines(createDeviceStore().families(seen))), [0, 0])
  t.strictSame(createDeviceStore().families({}), [])
})

t.test('energy goes on over a reload of the driver, over a new holder and over a pause', async (t) => {
  const store = createDeviceStore()
  const energy = (energyJoules: number, owner: Owner, more: Partial<GpuDevice> = {}): unknown =>
    Object.values(lines(store.families({ gpus: [{ device: device(0, more), owner, sharing: 'exclusive', readings: { energyJoules } }] })))
  t.strictSame(energy(1e6, TRAIN), [1e6])
  t.strictSame(energy(10, TRAIN), [1_000_010])
  t.strictSame(store.families({}), [], 'a device that is not seen leaves')
  t.strictSame(energy(20, SERVE), [1_000_020])
  t.strictSame(energy(5, SERVE, { uuid: 'GPU-other' }), [5], 'another GPU in its place')
})

t.test('processes of one container are one sample a GPU, whatever number of them', async (t) => {
  const process = (pid: number, owner: Owner, index: number, more: Partial<ResolvedGpuProcess>): ResolvedGpuProcess => ({
    uuid: `GPU-${index}`,
    index: String(index),
    migInstance: '',
    pid,
    cgroup: 1n,
    cgroupPath: '/',
    mps: false,
    owner,
    ...more,
  })
  const processes = [
    process(1, TRAIN, 0, { memoryBytes: 100, utilization: 0.25 }),
    process(2, TRAIN, 0, { memoryBytes: 10, utilization: 0.5 }),
    process(3, SERVE, 0, { memoryBytes: 7, utilization: 0 }),
    process(3, SERVE, 1, { utilization: 0.75 }),
    process(4, SERVE, 1, { memoryBytes: 5, utilization: 0.5 }),
    process(5, NOBODY, 0, { memoryBytes: 3 }),
  ]
  const serve = 'namespace=ml,pod=serve-0,container=main,workload=serve,workload_kind=Job'
  const train = 'namespace=ml,pod=train-0,container=main,workload=train,workload_kind=Job'
  t.strictSame(lines(createDeviceStore().families({ processes })), {
    [`orb8_gpu_process_utilization_ratio{${train},gpu_uuid=GPU-0,gpu=0}`]: 0.75,
    [`orb8_gpu_process_utilization_ratio{${serve},gpu_uuid=GPU-0,gpu=0}`]: 0,
    [`orb8_gpu_process_utilization_ratio{${serve},gpu_uuid=GPU-1,gpu=1}`]: 1,
    [`orb8_gpu_process_memory_used_bytes{${train},gpu_uuid=GPU-0,gpu=0}`]: 110,
    [`orb8_gpu_process_memory_used_bytes{${serve},gpu_uuid=GPU-0,gpu=0}`]: 7,
    [`orb8_gpu_process_memory_used_bytes{${serve},gpu_uuid=GPU-1,gpu=1}`]: 5,
    'orb8_gpu_process_memory_used_bytes{gpu_uuid=GPU-0,gpu=0}': 3,
  })
})

t.test('a device that two sources tell of is no invalid scrape', async (t) => {
  const gpu: ResolvedGpu = { device: device(0), owner: NOBODY, sharing: 'none', readings: { powerWatts: 1 } }
  const families = createDeviceStore().families({ gpus: [gpu, { ...gpu, readings: { powerWatts: 2 } }] })
  t.strictSame(Object.values(lines(families)), [2])
})

t.test('counters of an RDMA port rise over a wrap and a reset', async (t) => {
  const store = createDeviceStore()
  const port = (egressBytes: number, cnp: number): ResolvedRdmaPort => ({
    device: 'mlx5_0',
    parent: '',
    port: '1',
    owner: TRAIN,
    egressBytes,
    ingressBytes: 8,
    egressPackets: 3,
    counters: new Map([['np_cnp_sent', cnp]]),
  })
  const labels = 'namespace=ml,pod=train-0,container=main,workload=train,workload_kind=Job,device=mlx5_0,port=1'
  t.strictSame(lines(store.families({ rdma: [port(2 ** 34 - 4, 100)] })), {
    [`orb8_rdma_bytes_total{${labels},direction=egress}`]: 2 ** 34 - 4,
    [`orb8_rdma_bytes_total{${labels},direction=ingress}`]: 8,
    [`orb8_rdma_packets_total{${labels},direction=egress}`]: 3,
    [`orb8_rdma_events_total{${labels},counter=np_cnp_sent}`]: 100,
  })
  t.match(lines(store.families({ rdma: [port(8, 1)] })), {
    [`orb8_rdma_bytes_total{${labels},direction=egress}`]: 2 ** 34 + 8,
    [`orb8_rdma_events_total{${labels},counter=np_cnp_sent}`]: 101,
  })
})

t.test('a source that tells less energy than the one before does not make it fall', async (t) => {
  const store = createDeviceStore()
  const energy = (energyJoules: number): unknown =>
    Object.values(lines(store.families({ gpus: [{ device: device(0), owner: NOBODY, sharing: 'none', readings: { energyJoules } }] })))
  t.strictSame([5e6, 4.9e6, 5.1e6].map(energy), [[5e6], [5e6], [5.1e6]])
})

t.test('what kubelet can hand out, and has handed out, comes by resource', async (t) => {
  const resources = [
    { resource: 'nvidia.com/gpu', allocatable: 8, allocated: 3 },
    { resource: 'nvidia.com/mig-1g.10gb', allocatable: undefined, allocated: 0 },
  ]
  t.strictSame(
    createDeviceStore()
      .families({ resources })
      .flatMap(({ metric, samples }) => samples.map(({ labels, value }) => [metric.name, ...labels, value])),
    [
      ['orb8_gpu_allocatable_devices', '', '', '', 'nvidia.com/gpu', 8],
      ['orb8_gpu_allocated_devices', '', '', '', 'nvidia.com/gpu', 3],
      ['orb8_gpu_allocated_devices', '', '', '', 'nvidia.com/mig-1g.10gb', 0],
    ],
  )
})
