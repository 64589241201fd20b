// What NVML's return codes mean, in few words. Knows codes; calls nothing.
import { Orb8Error } from '../errors.ts'

/**
 * `unsupported`: this device or driver has no such thing. `driver`: nothing works until NVML is opened anew. `lost`: this device
 * has fallen off the bus or wants a reset.
 */
export type NvmlFailure = 'unsupported' | 'permission' | 'driver' | 'lost' | 'timeout' | 'other'

export const SUCCESS = 0
export const UNINITIALIZED = 1
export const NOT_SUPPORTED = 3
export const NOT_FOUND = 6
export const INSUFFICIENT_SIZE = 7
export const DRIVER_NOT_LOADED = 9
export const TIMEOUT = 10
export const FUNCTION_NOT_FOUND = 13

/** `nvmlReturn_t` of nvml.h. */
const CODES: Readonly<Record<number, readonly [name: string, failure: NvmlFailure]>> = {
  [UNINITIALIZED]: ['UNINITIALIZED', 'driver'],
  2: ['INVALID_ARGUMENT', 'other'],
  [NOT_SUPPORTED]: ['NOT_SUPPORTED', 'unsupported'],
  4: ['NO_PERMISSION', 'permission'],
  [NOT_FOUND]: ['NOT_FOUND', 'other'],
  [INSUFFICIENT_SIZE]: ['INSUFFICIENT_SIZE', 'other'],
  8: ['INSUFFICIENT_POWER', 'lost'],
  [DRIVER_NOT_LOADED]: ['DRIVER_NOT_LOADED', 'driver'],
  [TIMEOUT]: ['TIMEOUT', 'timeout'],
  12: ['LIBRARY_NOT_FOUND', 'driver'],
  [FUNCTION_NOT_FOUND]: ['FUNCTION_NOT_FOUND', 'unsupported'],
  15: ['GPU_IS_LOST', 'lost'],
  16: ['RESET_REQUIRED', 'lost'],
  18: ['LIB_RM_VERSION_MISMATCH', 'driver'],
  20: ['MEMORY', 'other'],
  21: ['NO_DATA', 'unsupported'],
  25: ['ARGUMENT_VERSION_MISMATCH', 'unsupported'],
  26: ['DEPRECATED', 'unsupported'],
  28: ['GPU_NOT_FOUND', 'lost'],
}

const REMEDIES: Readonly<Record<NvmlFailure, string>> = {
  unsupported: '',
  permission: 'run as root, or give the container the NVIDIA devices',
  driver: "see nvidia-smi: the driver is not loaded, or not of the library's version",
  lost: 'see dmesg for XID errors; the GPU may need a reset',
  timeout: 'see dmesg for XID errors',
  other: 'see nvidia-smi',
}

/** NVML refused. `failure` is one of few words: good for a label. */
export class NvmlError extends Orb8Error {
  override readonly name = 'NvmlError'
  /** As nvml.h names it, without the prefix. */
  readonly code: string
  readonly failure: NvmlFailure

  constructor(deed: string, code: string, failure: NvmlFailure, remedy: string = REMEDIES[failure]) {
    super(deed, code, remedy)
    this.code = code
    this.failure = failure
  }
}

export function nvmlError(deed: string, code: number): NvmlError {
  const [name, failure] = CODES[code] ?? [`NVML error ${code}`, 'other']
  return new NvmlError(deed, name, failure)
}
