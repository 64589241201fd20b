// The fields of DCGM that are read, under the names of every generation of dcgm-exporter, in base units. Knows names, units and what
// stands for no value; nothing of devices.
import type { GpuReadings } from '../model.ts'

/** What one line can say of a device, in base units. */
export type DcgmField =
  | Exclude<keyof GpuReadings, 'memoryTotalBytes'>
  | 'engineActive'
  | 'memoryFreeBytes'
  | 'memoryReservedBytes'
  | 'memoryTotalBytes'
  | 'pcieEgressSampled'
  | 'pcieIngressSampled'

interface Reading {
  readonly field: DcgmField
  /** Undefined for what cannot be. */
  readonly read: (value: number) => number | undefined
}

const MEBIBYTE = 2 ** 20
/** The driver may round up a little. */
const RATIO_SLACK = 0.1

const times = (factor: number) => (value: number) => value * factor
const over = (divisor: number) => (value: number) => value / divisor
const ratio = (whole: number) => (value: number) => (value <= whole * (1 + RATIO_SLACK) ? Math.min(value / whole, 1) : undefined)
const temperature = (value: number): number | undefined => (value < 1000 ? value : undefined)

/** Without `DCGM_FI_`. */
const FIELDS: Readonly<Record<string, Reading>> = {
  DEV_GPU_UTIL: { field: 'utilization', read: ratio(100) },
  PROF_GR_ENGINE_ACTIVE: { field: 'engineActive', read: ratio(1) },
  DEV_FB_USED: { field: 'memoryUsedBytes', read: times(MEBIBYTE) },
  DEV_FB_FREE: { field: 'memoryFreeBytes', read: times(MEBIBYTE) },
  DEV_FB_RESERVED: { field: 'memoryReservedBytes', read: times(MEBIBYTE) },
  DEV_FB_TOTAL: { field: 'memoryTotalBytes', read: times(MEBIBYTE) },
  DEV_POWER_USAGE: { field: 'powerWatts', read: times(1) },
  DEV_GPU_TEMP: { field: 'temperatureCelsius', read: temperature },
  DEV_TOTAL_ENERGY_CONSUMPTION: { field: 'energyJoules', read: over(1000) },
  DEV_SM_CLOCK: { field: 'smClockHertz', read: times(1e6) },
  DEV_MEM_CLOCK: { field: 'memoryClockHertz', read: times(1e6) },
  DEV_XID_ERRORS: { field: 'lastXid', read: times(1) },
  PROF_SM_ACTIVE: { field: 'smActive', read: ratio(1) },
  PROF_PIPE_TENSOR_ACTIVE: { field: 'tensorActive', read: ratio(1) },
  PROF_DRAM_ACTIVE: { field: 'dramActive', read: ratio(1) },
  // A rate, whatever the type that older lists of counters give them.
  PROF_PCIE_TX_BYTES: { field: 'pcieEgress', read: times(1) },
  PROF_PCIE_RX_BYTES: { field: 'pcieIngress', read: times(1) },
  // NVML's sample of 20 ms, kB/s.
  DEV_PCIE_TX_THROUGHPUT: { field: 'pcieEgressSampled', read: times(1000) },
  DEV_PCIE_RX_THROUGHPUT: { field: 'pcieIngressSampled', read: times(1000) },
}

/** What 1.x called otherwise, without `dcgm_`; the others only lack `fi_dev_`. */
const RENAMED: Readonly<Record<string, string>> = { GPU_UTILIZATION: 'DEV_GPU_UTIL', MEMORY_CLOCK: 'DEV_MEM_CLOCK' }

const NAMES: ReadonlyMap<string, Reading> = new Map(
  Object.entries(FIELDS).flatMap(([name, reading]) => {
    const short = name.replace(/^DEV_/, '')
    const old = Object.entries(RENAMED).find(([, to]) => to === name)?.[0] ?? short
    return [`DCGM_FI_${name}`, `DCGM_${old}`].map((key) => [key, reading] as const)
  }),
)

/** Is it dcgm-exporter that writes such a metric? */
export function isDcgm(name: string): boolean {
  return /^dcgm_/i.test(name)
}

/** Undefined for metrics that nothing is made of. */
export function fieldOf(name: string): Reading | undefined {
  return NAMES.get(name.toUpperCase())
}

/** How DCGM writes that there is no value: not found, not supported, not permitted, not yet. */
const BLANKS = [2 ** 31 - 16, 2 ** 47].map((first) => [first, first + 15] as const)
/** Of 64 bits: beyond what a double tells apart, and beyond all that is measured. */
const BLANK_64 = 2 ** 62

export function isBlank(value: number): boolean {
  return !(value >= 0 && value < BLANK_64) || BLANKS.some(([first, last]) => value >= first && value <= last)
}
