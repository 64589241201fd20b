// GPUs, processes on them and RDMA ports as families of samples, with counters that rise. Knows their metrics; nothing of where they
// were read.
import { uptime } from 'node:os'
import { DEVICE_METRICS, GPU, GPU_PROCESS, GPU_RESOURCE, RDMA } from '../metrics.ts'
import type { DeviceResource, ResolvedGpu, ResolvedGpuProcess, ResolvedRdmaPort, SampleFamily } from '../model.ts'
import { Families, ownerLabels } from './families.ts'
import { Rising } from './rising.ts'

export interface SeenDevices {
  /** Each device once. */
  readonly gpus?: readonly ResolvedGpu[]
  readonly processes?: readonly ResolvedGpuProcess[]
  readonly rdma?: readonly ResolvedRdmaPort[]
  readonly resources?: readonly DeviceResource[]
}

export interface DeviceStore {
  /** What is not seen this time leaves; a counter that comes back goes on from where it was. */
  families(seen: SeenDevices): readonly SampleFamily[]
}

/** A minute at 2 kW: dcgm-exporter may tell what it read half a minute ago, where the driver itself told more before. */
const ENERGY_LAG = { slack: 120_000 }
/** Namespace, pod and container of what belongs to the node. */
const NO_CONTAINER = ['', '', '']
const MINUTE_MS = 60_000
const WRAP_32 = 2 ** 32
/** The kernel counts words of 4 B. */
const WRAP_32_WORDS = 4 * WRAP_32

/** `bootMs`: ms since the epoch; no device has counted for longer. The same for each exporter that runs until the next boot. */
export function createDeviceStore(bootMs: number = bootMinute()): DeviceStore {
  const rising = new Rising()
  return {
    families({ gpus = [], processes = [], rdma = [], resources = [] }) {
      const families = new Families(bootMs)
      for (const gpu of gpus) addGpu(families, rising, gpu)
      addProcesses(families, processes)
      for (const port of rdma) addPort(families, rising, port)
      for (const { resource, allocatable, allocated } of resources) {
        families.add(GPU_RESOURCE.allocatable, [...NO_CONTAINER, resource], allocatable)
        families.add(GPU_RESOURCE.allocated, [...NO_CONTAINER, resource], allocated)
      }
      return families.inOrder(DEVICE_METRICS)
    },
  }
}

/** The clocks drift apart by less than a minute, most of the time. */
function bootMinute(): number {
  return Math.floor((Date.now() - uptime() * 1000) / MINUTE_MS) * MINUTE_MS
}

function addGpu(families: Families, rising: Rising, { device, readings, owner, sharing }: ResolvedGpu): void {
  const { uuid, index, model, migProfile, migInstance } = device
  const labels = [...ownerLabels(owner), uuid, index, model, migProfile, migInstance, sharing]
  families.add(GPU.utilization, labels, readings.utilization)
  families.add(GPU.memoryUsed, labels, readings.memoryUsedBytes)
  families.add(GPU.memoryTotal, labels, readings.memoryTotalBytes)
  families.add(GPU.power, labels, readings.powerWatts)
  families.add(GPU.temperature, labels, readings.temperatureCelsius)
  const energy = readings.energyJoules
  families.add(
    GPU.energy,
    labels,
    energy === undefined ? undefined : rising.total(`energy ${uuid || index} ${migInstance}`, energy, ENERGY_LAG),
  )
  families.add(GPU.smActive, labels, readings.smActive)
  families.add(GPU.tensorActive, labels, readings.tensorActive)
  families.add(GPU.dramActive, labels, readings.dramActive)
  families.add(GPU.pcie, [...labels, 'egress'], readings.pcieEgress)
  families.add(GPU.pcie, [...labels, 'ingress'], readings.pcieIngress)
  families.add(GPU.clock, [...labels, 'sm'], readings.smClockHertz)
  families.add(GPU.clock, [...labels, 'memory'], readings.memoryClockHertz)
  families.add(GPU.lastXid, labels, readings.lastXid)
}

interface Use {
  readonly labels: readonly string[]
  memoryBytes: number | undefined
  utilization: number | undefined
}

/** One sample for each container and GPU: memory and shares of its processes summed, a share at most 1. */
function addProcesses(families: Families, processes: readonly ResolvedGpuProcess[]): void {
  const uses = new Map<string, Use>()
  for (const { owner, uuid, index, memoryBytes, utilization } of processes) {
    const labels = [...ownerLabels(owner), uuid, index]
    const key = JSON.stringify(labels)
    const use = uses.get(key) ?? { labels, memoryBytes: undefined, utilization: undefined }
    uses.set(key, use)
    use.memoryBytes = plus(use.memoryBytes, memoryBytes)
    use.utilization = plus(use.utilization, utilization)
  }
  for (const { labels, memoryBytes, utilization } of uses.values()) {
    families.add(GPU_PROCESS.utilization, labels, utilization === undefined ? undefined : Math.min(utilization, 1))
    families.add(GPU_PROCESS.memoryUsed, labels, memoryBytes)
  }
}

function plus(sum: number | undefined, more: number | undefined): number | undefined {
  return sum === undefined || more === undefined ? (sum ?? more) : sum + more
}

function addPort(families: Families, rising: Rising, { device, port, owner, counters, ...counts }: ResolvedRdmaPort): void {
  const labels = [...ownerLabels(owner), device, port]
  const rise = (name: string, raw: number | undefined, wrapsAt: number): number | undefined =>
    raw === undefined ? undefined : rising.total(`rdma ${device} ${port} ${name}`, raw, { wrapsAt })
  families.add(RDMA.bytes, [...labels, 'egress'], rise('egress bytes', counts.egressBytes, WRAP_32_WORDS))
  families.add(RDMA.bytes, [...labels, 'ingress'], rise('ingress bytes', counts.ingressBytes, WRAP_32_WORDS))
  families.add(RDMA.packets, [...labels, 'egress'], rise('egress packets', counts.egressPackets, WRAP_32))
  families.add(RDMA.packets, [...labels, 'ingress'], rise('ingress packets', counts.ingressPackets, WRAP_32))
  for (const [counter, raw] of counters) families.add(RDMA.events, [...labels, counter], rise(`counter ${counter}`, raw, WRAP_32))
}
