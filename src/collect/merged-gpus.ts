// Makes one list of the GPUs that dcgm-exporter and NVML tell of. Knows which of the two is believed; reads nothing.
import type { GpuDevice, GpuReadings, GpuSample } from '../model.ts'

/** What a GPU in MIG mode has by instance only: the whole told beside them would count it twice. */
const BY_INSTANCE = ['utilization', 'memoryUsedBytes', 'memoryTotalBytes', 'smActive', 'tensorActive', 'dramActive'] as const

/**
 * Each device once. Where both tell the same reading, dcgm-exporter's stands; what only one tells stands too. Devices are the same by
 * UUID, or by index where a source knows none.
 */
export function mergedGpus(dcgm: readonly GpuSample[], nvml: readonly GpuSample[]): readonly GpuSample[] {
  const merged = new Map<string, GpuSample>()
  const byIndex = new Map(nvml.map(({ device }) => [device.index, device.uuid]))
  for (const sample of nvml) merged.set(keyOf(sample.device), sample)
  for (const sample of dcgm) {
    const device = sample.device.uuid === '' ? { ...sample.device, uuid: byIndex.get(sample.device.index) ?? '' } : sample.device
    const other = merged.get(keyOf(device))
    merged.set(keyOf(device), {
      ...sample,
      device: other === undefined ? device : sameDevice(device, other.device),
      readings: { ...other?.readings, ...sample.readings },
    })
  }
  const inMig = new Set([...merged.values()].flatMap(({ device }) => (device.migInstance === '' ? [] : [gpuOf(device)])))
  return [...merged.values()]
    .map((sample) => (sample.device.migInstance === '' && inMig.has(gpuOf(sample.device)) ? withoutParts(sample) : sample))
    .sort((a, b) => Number(a.device.index) - Number(b.device.index) || Number(a.device.migInstance) - Number(b.device.migInstance))
}

function sameDevice(device: GpuDevice, other: GpuDevice): GpuDevice {
  return {
    uuid: device.uuid,
    index: device.index || other.index,
    minor: other.minor || device.minor,
    model: device.model || other.model,
    migProfile: device.migProfile || other.migProfile,
    migInstance: device.migInstance,
    migUuids: other.migUuids,
  }
}

function withoutParts(sample: GpuSample): GpuSample {
  const kept = Object.entries(sample.readings).filter(([name]) => !(BY_INSTANCE as readonly string[]).includes(name))
  return { ...sample, readings: Object.fromEntries(kept) as GpuReadings }
}

function gpuOf({ uuid, index }: GpuDevice): string {
  return uuid === '' ? index : uuid
}

function keyOf(device: GpuDevice): string {
  return `${gpuOf(device)} ${device.migInstance}`
}
