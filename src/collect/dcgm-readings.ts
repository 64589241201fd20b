// What DCGM's values mean for a GPU and for its MIG instances. Knows which belong to which; nothing of lines and labels.
import type { DeviceHolder, GpuDevice, GpuReadings, GpuSample } from '../model.ts'
import type { DcgmField } from './dcgm-fields.ts'

export type Values = { [F in DcgmField]?: number }

export interface DcgmDevice {
  readonly device: GpuDevice
  readonly values: Values
  readonly holders: readonly DeviceHolder[]
  /** The memory used is what the pods on it say together: beside what is free it makes no total. */
  readonly memoryInParts: boolean
}

/** What a MIG instance has of its own. All else that its rows tell is its GPU's, repeated for each instance. */
const OF_INSTANCES: ReadonlySet<string> = new Set<keyof GpuReadings>([
  'utilization',
  'memoryUsedBytes',
  'memoryTotalBytes',
  'smActive',
  'tensorActive',
  'dramActive',
])

/** A GPU first, then its instances; where there are only instances, the GPU from what they repeat. */
export function samplesOf(devices: readonly DcgmDevice[]): GpuSample[] {
  const byGpu = Map.groupBy(devices, ({ device }) => (device.uuid === '' ? device.index : device.uuid))
  return [...byGpu.values()].flatMap((ofGpu) => {
    const instances = ofGpu.filter(({ device }) => device.migInstance !== '')
    const whole = ofGpu.find(({ device }) => device.migInstance === '')
    return instances.length === 0 ? ofGpu.map(wholeSample) : migSamples(whole, instances)
  })
}

function wholeSample(told: DcgmDevice): GpuSample {
  const { device, values, holders } = told
  const readings = { ...commonReadings(told), ...known({ utilization: atMostOne(values.utilization ?? values.engineActive) }) }
  return sample(device, readings, holders)
}

function migSamples(whole: DcgmDevice | undefined, instances: readonly DcgmDevice[]): GpuSample[] {
  const [first] = instances
  if (first === undefined) return []
  const repeated = [...instances, ...(whole === undefined ? [] : [whole])].map((told) => without(commonReadings(told), OF_INSTANCES))
  const gpu = whole?.device ?? { ...first.device, migProfile: '', migInstance: '' }
  return [
    sample(gpu, repeated.reduce(highest, {}), []),
    ...instances.map((told) => {
      const { device, values, holders } = told
      const { utilization: _, ...common } = commonReadings(told)
      // GPU_UTIL is 0 or not there.
      return sample(device, { ...only(common, OF_INSTANCES), ...known({ utilization: values.engineActive }) }, holders)
    }),
  ]
}

function commonReadings({ values, memoryInParts }: DcgmDevice): GpuReadings {
  const { engineActive: _, memoryFreeBytes: free, memoryReservedBytes: reserved, pcieEgressSampled, pcieIngressSampled, ...plain } = values
  const { memoryUsedBytes: used, memoryTotalBytes, pcieEgress, pcieIngress } = plain
  const counted = used === undefined || free === undefined || memoryInParts ? undefined : used + free + (reserved ?? 0)
  const total = memoryTotalBytes ?? counted
  const notFree = memoryInParts && total !== undefined && free !== undefined ? total - free - (reserved ?? 0) : undefined
  return {
    ...plain,
    ...known({
      memoryUsedBytes: notFree ?? used,
      memoryTotalBytes: total,
      pcieEgress: pcieEgress ?? pcieEgressSampled,
      pcieIngress: pcieIngress ?? pcieIngressSampled,
    }),
  }
}

function sample(device: GpuDevice, readings: GpuReadings, holders: readonly DeviceHolder[]): GpuSample {
  return holders.length === 0 ? { device, readings } : { device, readings, holders }
}

type Unsure = { readonly [K in keyof GpuReadings]: number | undefined }

function known(readings: Unsure): GpuReadings {
  return Object.fromEntries(Object.entries(readings).filter(([, value]) => value !== undefined))
}

function only(readings: GpuReadings, names: ReadonlySet<string>): GpuReadings {
  return Object.fromEntries(Object.entries(readings).filter(([name]) => names.has(name)))
}

function without(readings: GpuReadings, names: ReadonlySet<string>): GpuReadings {
  return Object.fromEntries(Object.entries(readings).filter(([name]) => !names.has(name)))
}

function highest(a: GpuReadings, b: GpuReadings): GpuReadings {
  const merged: { -readonly [K in keyof GpuReadings]: GpuReadings[K] } = { ...a }
  for (const [name, value] of Object.entries(b) as [keyof GpuReadings, number][]) merged[name] = Math.max(value, merged[name] ?? value)
  return merged
}

function atMostOne(ratio: number | undefined): number | undefined {
  return ratio === undefined ? undefined : Math.min(ratio, 1)
}
