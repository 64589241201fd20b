// Reads the lists of processes that NVML writes. Knows their layouts of all drivers; calls nothing.
import { NvmlError } from './nvml-codes.ts'

/** Of one entry, at most: drivers 535.43 to 535.86 wrote as much where all others write less. */
export const PROCESS_BYTES = 32
export const SAMPLE_BYTES = 32
export const SAMPLE_INFO_BYTES = 40
/** What a buffer holds before the driver writes: no process and no instance has such a number. */
export const UNWRITTEN = 0xa5

export interface ListedProcess {
  readonly pid: number
  /** Undefined where the driver cannot tell. */
  readonly memoryBytes: number | undefined
  /** Of MIG; undefined for a whole GPU. */
  readonly gpuInstance: number | undefined
}

export interface UtilizationSample {
  readonly pid: number
  /** us since the epoch. */
  readonly timeUs: number
  /** Percent. */
  readonly sm: number
}

const STRIDES = [24, PROCESS_BYTES, 16] as const
const PID_MAX = 4_194_304
const NOT_AVAILABLE = 0xffff_ffff_ffff_ffffn
const NO_INSTANCE = 0xffff_ffff

/** `list` was all `UNWRITTEN` before the driver put `count` processes into it. Throws NvmlError where no layout fits. */
export function decodeProcesses(list: Buffer, count: number): ListedProcess[] {
  if (count === 0) return []
  const stride = strideOf(list, count)
  return Array.from({ length: count }, (_, index) => {
    const at = index * stride
    const memory = list.readBigUInt64LE(at + 8)
    const instance = stride === 16 ? NO_INSTANCE : list.readUInt32LE(at + 16)
    return {
      pid: list.readUInt32LE(at),
      memoryBytes: memory === NOT_AVAILABLE ? undefined : Number(memory),
      gpuInstance: instance === NO_INSTANCE ? undefined : instance,
    }
  })
}

/** The symbol's name does not tell the layout, how far the driver wrote does. One that wrote past its entries is told by its pids. */
function strideOf(list: Buffer, count: number): number {
  let written = list.length
  while (written > 0 && list[written - 1] === UNWRITTEN) written--
  const exact = STRIDES.find((stride) => written > count * stride - 8 && written <= count * stride)
  const fits = exact ?? STRIDES.find((stride) => count * stride <= list.length && plausible(list, count, stride))
  if (fits === undefined)
    throw new NvmlError('list the processes on a GPU', `a layout that is not known (${written} B for ${count})`, 'other')
  return fits
}

function plausible(list: Buffer, count: number, stride: number): boolean {
  const pids = new Set<number>()
  for (let index = 0; index < count; index++) {
    const pid = list.readUInt32LE(index * stride)
    if (pid > 0 && pid <= PID_MAX) pids.add(pid)
  }
  return pids.size === count
}

/** `nvmlProcessUtilizationSample_t` */
export function decodeSamples(list: Buffer, count: number): UtilizationSample[] {
  return Array.from({ length: count }, (_, index) => {
    const at = index * SAMPLE_BYTES
    return { pid: list.readUInt32LE(at), timeUs: Number(list.readBigUInt64LE(at + 8)), sm: list.readUInt32LE(at + 16) }
  })
}

/** `nvmlProcessUtilizationInfo_v1_t` */
export function decodeSampleInfos(list: Buffer, count: number): UtilizationSample[] {
  return Array.from({ length: count }, (_, index) => {
    const at = index * SAMPLE_INFO_BYTES
    return { timeUs: Number(list.readBigUInt64LE(at)), pid: list.readUInt32LE(at + 8), sm: list.readUInt32LE(at + 12) }
  })
}
