// Finds and opens libnvidia-ml and declares its functions. Knows places and signatures; calls nothing.
import { existsSync } from 'node:fs'
import koffi from 'koffi'
import { KernelError } from '../errors.ts'
import type { CFunction, Library } from './libbpf.ts'

/** By name where the loader knows it (a host's driver, NVIDIA's container runtime), else where driver containers and clouds put it. */
export const NVML_PATHS: readonly string[] = [
  'libnvidia-ml.so.1',
  '/usr/local/nvidia/lib64/libnvidia-ml.so.1',
  '/run/nvidia/driver/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1',
  '/run/nvidia/driver/usr/lib/aarch64-linux-gnu/libnvidia-ml.so.1',
  '/run/nvidia/driver/usr/lib64/libnvidia-ml.so.1',
  '/home/kubernetes/bin/nvidia/lib64/libnvidia-ml.so.1',
  '/usr/lib/wsl/lib/libnvidia-ml.so.1',
]

/** Named without the suffix that nvml.h's macros hide where a function has one that stays. */
const PROTOTYPES = {
  nvmlInitWithFlags: 'int nvmlInitWithFlags(unsigned int flags)',
  nvmlShutdown: 'int nvmlShutdown()',
  nvmlSystemGetDriverVersion: 'int nvmlSystemGetDriverVersion(void *text, unsigned int size)',
  nvmlDeviceGetCount_v2: 'int nvmlDeviceGetCount_v2(void *count)',
  nvmlDeviceGetHandleByIndex_v2: 'int nvmlDeviceGetHandleByIndex_v2(unsigned int index, void *device)',
  nvmlDeviceGetUUID: 'int nvmlDeviceGetUUID(void *device, void *text, unsigned int size)',
  nvmlDeviceGetName: 'int nvmlDeviceGetName(void *device, void *text, unsigned int size)',
  nvmlDeviceGetMinorNumber: 'int nvmlDeviceGetMinorNumber(void *device, void *minor)',
  nvmlDeviceGetMigMode: 'int nvmlDeviceGetMigMode(void *device, void *current, void *pending)',
  nvmlDeviceGetMaxMigDeviceCount: 'int nvmlDeviceGetMaxMigDeviceCount(void *device, void *count)',
  nvmlDeviceGetMigDeviceHandleByIndex: 'int nvmlDeviceGetMigDeviceHandleByIndex(void *device, unsigned int index, void *mig)',
  nvmlDeviceGetGpuInstanceId: 'int nvmlDeviceGetGpuInstanceId(void *mig, void *id)',
  nvmlDeviceGetAttributes_v2: 'int nvmlDeviceGetAttributes_v2(void *mig, void *attributes)',
  nvmlDeviceGetUtilizationRates: 'int nvmlDeviceGetUtilizationRates(void *device, void *rates)',
  nvmlDeviceGetMemoryInfo_v2: 'int nvmlDeviceGetMemoryInfo_v2(void *device, void *memory)',
  nvmlDeviceGetMemoryInfo: 'int nvmlDeviceGetMemoryInfo(void *device, void *memory)',
  nvmlDeviceGetPowerUsage: 'int nvmlDeviceGetPowerUsage(void *device, void *milliwatts)',
  nvmlDeviceGetTemperature: 'int nvmlDeviceGetTemperature(void *device, int sensor, void *degrees)',
  nvmlDeviceGetTotalEnergyConsumption: 'int nvmlDeviceGetTotalEnergyConsumption(void *device, void *millijoules)',
  nvmlDeviceGetClockInfo: 'int nvmlDeviceGetClockInfo(void *device, int type, void *megahertz)',
  nvmlDeviceGetPcieThroughput: 'int nvmlDeviceGetPcieThroughput(void *device, int counter, void *kilobytes)',
  nvmlDeviceGetProcessUtilization: 'int nvmlDeviceGetProcessUtilization(void *device, void *samples, void *count, uint64_t since)',
  nvmlDeviceGetProcessesUtilizationInfo: 'int nvmlDeviceGetProcessesUtilizationInfo(void *device, void *infos)',
  nvmlEventSetCreate: 'int nvmlEventSetCreate(void *set)',
  nvmlEventSetFree: 'int nvmlEventSetFree(void *set)',
  nvmlDeviceRegisterEvents: 'int nvmlDeviceRegisterEvents(void *device, uint64_t types, void *set)',
  nvmlEventSetWait_v2: 'int nvmlEventSetWait_v2(void *set, void *event, unsigned int timeout)',
} as const

/** Newest first. Drivers 535.98 and later dropped some that 535.43 had. */
const LIST_SUFFIXES = ['_v3', '_v2', ''] as const
const LISTS = {
  compute: 'nvmlDeviceGetComputeRunningProcesses',
  graphics: 'nvmlDeviceGetGraphicsRunningProcesses',
  mps: 'nvmlDeviceGetMPSComputeRunningProcesses',
} as const

export type NvmlFunction = keyof typeof PROTOTYPES
export type ProcessKind = keyof typeof LISTS

export interface NvmlLibrary {
  readonly path: string
  readonly functions: ReadonlyMap<NvmlFunction, CFunction>
  readonly lists: ReadonlyMap<ProcessKind, CFunction>
  /** No call may be under way, none may follow. */
  unload(): void
}

/** Opens the first of `paths` that is there; undefined where none is. Throws KernelError for one that is there and does not load. */
export function openNvmlLibrary(paths: readonly string[] = NVML_PATHS): NvmlLibrary | undefined {
  for (const path of paths) {
    const named = !path.includes('/')
    if (!named && !existsSync(path)) continue
    try {
      const library = koffi.load(path) as Library & { unload(): void }
      return declareAll(path, library)
    } catch (cause) {
      if (named) continue
      throw new KernelError(`load ${path}`, (cause as Error).message, "mount the driver's own libraries, of this machine's kind", { cause })
    }
  }
  return undefined
}

function declareAll(path: string, library: Library & { unload(): void }): NvmlLibrary {
  const functions = new Map<NvmlFunction, CFunction>()
  for (const [name, prototype] of Object.entries(PROTOTYPES)) {
    const found = declare(library, prototype)
    if (found !== undefined) functions.set(name as NvmlFunction, found)
  }
  const lists = new Map<ProcessKind, CFunction>()
  for (const [kind, name] of Object.entries(LISTS)) {
    for (const suffix of LIST_SUFFIXES) {
      const found = declare(library, `int ${name}${suffix}(void *device, void *count, void *processes)`)
      if (found === undefined) continue
      lists.set(kind as ProcessKind, found)
      break
    }
  }
  return { path, functions, lists, unload: () => library.unload() }
}

/** Drivers differ in what they have. */
function declare(library: Library, prototype: string): CFunction | undefined {
  try {
    return library.func(prototype)
  } catch {
    return undefined
  }
}
