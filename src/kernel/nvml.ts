// NVML's functions in base units, each call in a thread. Knows signatures and structs; nothing of when and how often to ask.
import koffi from 'koffi'
import type { Ptr } from './libbpf.ts'
import { NvmlCalls } from './nvml-calls.ts'
import { INSUFFICIENT_SIZE, NOT_FOUND, NvmlError, SUCCESS, TIMEOUT } from './nvml-codes.ts'
import type { NvmlLibrary, ProcessKind } from './nvml-library.ts'
import {
  decodeProcesses,
  decodeSampleInfos,
  decodeSamples,
  type ListedProcess,
  PROCESS_BYTES,
  SAMPLE_BYTES,
  SAMPLE_INFO_BYTES,
  UNWRITTEN,
  type UtilizationSample,
} from './nvml-processes.ts'

/** A GPU, or a MIG instance of one, until the next close. */
export type NvmlDevice = Ptr<'nvmlDevice'>
type EventSet = Ptr<'nvmlEventSet'>

export interface Memory {
  readonly totalBytes: number
  readonly usedBytes: number
}

export interface XidEvent {
  readonly device: NvmlDevice
  readonly xid: number
}

/** Half of libuv's four: the kernel's maps and all files are read in the others. */
const MOST_THREADS = 2
/** Starts also where no GPU is there yet. */
const INIT_NO_GPUS = 1
const MEMORY_V2 = { bytes: 40, version: 0x2000028, total: 8, used: 32 }
const MEMORY_V1 = { bytes: 24, total: 0, used: 16 }
const ATTRIBUTES = { bytes: 40, gpuSlices: 24, computeSlices: 28, megabytes: 32 }
const EVENT = { bytes: 32, device: 0, data: 16, xid: 8n }
const UTILIZATION_INFOS = { bytes: 24, version: 0x1000018, count: 4, since: 8, list: 16 }
const SENSOR_GPU = 0
export const CLOCK = { sm: 1, memory: 2 } as const
export const PCIE = { egress: 0, ingress: 1 } as const

/** Processes on one GPU; MPS allows 48, time slicing as many as the memory holds. */
const MOST_PROCESSES = 4096
const FIRST_PROCESSES = 64
/** The driver's own buffer holds 72 or 100 samples. */
const SAMPLES = 256
/** Events taken in one go; the rest stays for the next. */
const MOST_EVENTS = 64

/** Every method rejects with NvmlError; one that answers undefined does so where the device or the driver has no such thing. */
export class Nvml {
  readonly #library: NvmlLibrary
  readonly #calls: NvmlCalls
  #events: EventSet | undefined

  private constructor(library: NvmlLibrary, threads: number) {
    this.#library = library
    this.#calls = new NvmlCalls(library, threads)
  }

  /** Takes seconds where the driver keeps no state (no persistence mode). `threads`: calls at once, each a thread of libuv's pool. */
  static async open(library: NvmlLibrary, threads: number = MOST_THREADS): Promise<Nvml> {
    const nvml = new Nvml(library, threads)
    try {
      await nvml.#calls.must('initialise NVML', 'nvmlInitWithFlags', INIT_NO_GPUS)
    } catch (error) {
      library.unload()
      throw error
    }
    return nvml
  }

  /** Calls that have not ended. While one hangs, process.exit waits for its thread: see leave.ts. */
  get callsUnderWay(): number {
    return this.#calls.underWay
  }

  /** False where a call still hangs: the library stays loaded until it has ended. Whatever is called from now on is refused. */
  close(): Promise<boolean> {
    const events = this.#events === undefined ? [] : [['nvmlEventSetFree', this.#events] as const]
    return this.#calls.close([...events, ['nvmlShutdown']])
  }

  async driverVersion(): Promise<string> {
    return (await this.#calls.text('nvmlSystemGetDriverVersion')) ?? ''
  }

  async deviceCount(): Promise<number> {
    const count = Buffer.alloc(4)
    await this.#calls.must('count the GPUs', 'nvmlDeviceGetCount_v2', count)
    return count.readUInt32LE()
  }

  async device(index: number): Promise<NvmlDevice> {
    const handle = Buffer.alloc(8)
    await this.#calls.must(`open GPU ${index}`, 'nvmlDeviceGetHandleByIndex_v2', index, handle)
    return handle.readBigUInt64LE() as NvmlDevice
  }

  uuid(device: NvmlDevice): Promise<string | undefined> {
    return this.#calls.text('nvmlDeviceGetUUID', device)
  }

  /** Of a MIG instance: the GPU's, `MIG` and the profile. */
  model(device: NvmlDevice): Promise<string | undefined> {
    return this.#calls.text('nvmlDeviceGetName', device)
  }

  minor(device: NvmlDevice): Promise<number | undefined> {
    return this.#calls.number('nvmlDeviceGetMinorNumber', device)
  }

  async isMig(device: NvmlDevice): Promise<boolean> {
    const current = Buffer.alloc(4)
    return (await this.#calls.told('nvmlDeviceGetMigMode', device, current, Buffer.alloc(4))) && current.readUInt32LE() === 1
  }

  /** Handles of the MIG devices: one for each compute instance. */
  async migDevices(device: NvmlDevice): Promise<NvmlDevice[]> {
    const most = (await this.#calls.number('nvmlDeviceGetMaxMigDeviceCount', device)) ?? 0
    const found: NvmlDevice[] = []
    for (let index = 0; index < most; index++) {
      const handle = Buffer.alloc(8)
      const code = await this.#calls.call('nvmlDeviceGetMigDeviceHandleByIndex', device, index, handle)
      if (code === SUCCESS) found.push(handle.readBigUInt64LE() as NvmlDevice)
      else if (code !== NOT_FOUND) this.#calls.judge('nvmlDeviceGetMigDeviceHandleByIndex', code)
    }
    return found
  }

  gpuInstance(mig: NvmlDevice): Promise<number | undefined> {
    return this.#calls.number('nvmlDeviceGetGpuInstanceId', mig)
  }

  /** Of a MIG instance: slices of the GPU and memory, which its profile is named by. */
  async slices(mig: NvmlDevice): Promise<{ readonly gpu: number; readonly compute: number; readonly megabytes: number } | undefined> {
    const attributes = Buffer.alloc(ATTRIBUTES.bytes)
    if (!(await this.#calls.told('nvmlDeviceGetAttributes_v2', mig, attributes))) return undefined
    return {
      gpu: attributes.readUInt32LE(ATTRIBUTES.gpuSlices),
      compute: attributes.readUInt32LE(ATTRIBUTES.computeSlices),
      megabytes: Number(attributes.readBigUInt64LE(ATTRIBUTES.megabytes)),
    }
  }

  /** Share of the driver's last sample period, a sixth of a second to one second. */
  async utilization(device: NvmlDevice): Promise<number | undefined> {
    const rates = Buffer.alloc(8)
    return (await this.#calls.told('nvmlDeviceGetUtilizationRates', device, rates)) ? rates.readUInt32LE() / 100 : undefined
  }

  /** The first version, for drivers before 510, counts what the driver reserves as used. */
  async memory(device: NvmlDevice): Promise<Memory | undefined> {
    const v2 = Buffer.alloc(MEMORY_V2.bytes)
    v2.writeUInt32LE(MEMORY_V2.version)
    if (await this.#calls.told('nvmlDeviceGetMemoryInfo_v2', device, v2)) return memoryOf(v2, MEMORY_V2)
    const v1 = Buffer.alloc(MEMORY_V1.bytes)
    return (await this.#calls.told('nvmlDeviceGetMemoryInfo', device, v1)) ? memoryOf(v1, MEMORY_V1) : undefined
  }

  async powerWatts(device: NvmlDevice): Promise<number | undefined> {
    const milliwatts = await this.#calls.number('nvmlDeviceGetPowerUsage', device)
    return milliwatts === undefined ? undefined : milliwatts / 1000
  }

  temperatureCelsius(device: NvmlDevice): Promise<number | undefined> {
    return this.#calls.number('nvmlDeviceGetTemperature', device, SENSOR_GPU)
  }

  /** Since the driver was loaded. */
  async energyJoules(device: NvmlDevice): Promise<number | undefined> {
    const millijoules = Buffer.alloc(8)
    const told = await this.#calls.told('nvmlDeviceGetTotalEnergyConsumption', device, millijoules)
    return told ? Number(millijoules.readBigUInt64LE()) / 1000 : undefined
  }

  async clockHertz(device: NvmlDevice, clock: (typeof CLOCK)[keyof typeof CLOCK]): Promise<number | undefined> {
    return scaled(await this.#calls.number('nvmlDeviceGetClockInfo', device, clock), 1e6)
  }

  /** Measured for 20 ms, in B/s. */
  async pcieBytesPerSecond(device: NvmlDevice, way: (typeof PCIE)[keyof typeof PCIE]): Promise<number | undefined> {
    return scaled(await this.#calls.number('nvmlDeviceGetPcieThroughput', device, way), 1000)
  }

  async processes(device: NvmlDevice, kind: ProcessKind): Promise<ListedProcess[] | undefined> {
    const list = this.#library.lists.get(kind)
    if (list === undefined) return undefined
    const deed = `list the ${kind} processes`
    const count = Buffer.alloc(4)
    for (let room = FIRST_PROCESSES; room <= MOST_PROCESSES; ) {
      const entries = Buffer.alloc(room * PROCESS_BYTES, UNWRITTEN)
      count.writeUInt32LE(room)
      const code = await this.#calls.run(list, device, count, entries)
      const needed = count.readUInt32LE()
      if (code !== INSUFFICIENT_SIZE) return this.#calls.judge(deed, code) ? decodeProcesses(entries, Math.min(needed, room)) : undefined
      // Some may come between two calls.
      room = Math.max(needed + FIRST_PROCESSES, 2 * room)
    }
    throw new NvmlError(deed, `more than ${MOST_PROCESSES}`, 'other')
  }

  /** What processes used since `sinceUs` (us since the epoch); empty where none did. Undefined also under MIG. */
  async processUtilization(device: NvmlDevice, sinceUs: number): Promise<UtilizationSample[] | undefined> {
    const samples = Buffer.alloc(SAMPLES * SAMPLE_BYTES)
    const count = Buffer.alloc(4)
    count.writeUInt32LE(SAMPLES)
    const since = BigInt(Math.floor(sinceUs))
    const code = await this.#calls.call('nvmlDeviceGetProcessUtilization', device, samples, count, since)
    if (code === NOT_FOUND) return []
    if (this.#calls.judge('nvmlDeviceGetProcessUtilization', code)) return decodeSamples(samples, Math.min(count.readUInt32LE(), SAMPLES))
    return this.#processUtilizationInfo(device, since)
  }

  /** The same of drivers from 550 on, for the day on which they drop the old one. */
  async #processUtilizationInfo(device: NvmlDevice, since: bigint): Promise<UtilizationSample[] | undefined> {
    const list = Buffer.alloc(SAMPLES * SAMPLE_INFO_BYTES)
    const infos = Buffer.alloc(UTILIZATION_INFOS.bytes)
    infos.writeUInt32LE(UTILIZATION_INFOS.version)
    infos.writeUInt32LE(SAMPLES, UTILIZATION_INFOS.count)
    infos.writeBigUInt64LE(since, UTILIZATION_INFOS.since)
    infos.writeBigUInt64LE(BigInt(koffi.address(list)), UTILIZATION_INFOS.list)
    const code = await this.#calls.call('nvmlDeviceGetProcessesUtilizationInfo', device, infos)
    if (code === NOT_FOUND) return []
    if (!this.#calls.judge('nvmlDeviceGetProcessesUtilizationInfo', code)) return undefined
    // Also what keeps `list` alive until here: the call only saw its address.
    return decodeSampleInfos(list, Math.min(infos.readUInt32LE(UTILIZATION_INFOS.count), SAMPLES))
  }

  /** From now on `xidEvents` tells the device's errors. False where it has none to tell. */
  async listen(device: NvmlDevice): Promise<boolean> {
    if (this.#events === undefined) {
      const set = Buffer.alloc(8)
      if (!(await this.#calls.told('nvmlEventSetCreate', set))) return false
      this.#events = set.readBigUInt64LE() as EventSet
    }
    return this.#calls.told('nvmlDeviceRegisterEvents', device, EVENT.xid, this.#events)
  }

  /** What came since the last time, oldest first. */
  async xidEvents(): Promise<XidEvent[]> {
    const events: XidEvent[] = []
    while (this.#events !== undefined && events.length < MOST_EVENTS) {
      const event = Buffer.alloc(EVENT.bytes)
      const code = await this.#calls.call('nvmlEventSetWait_v2', this.#events, event, 1)
      if (code === TIMEOUT || !this.#calls.judge('nvmlEventSetWait_v2', code)) break
      events.push({ device: event.readBigUInt64LE(EVENT.device) as NvmlDevice, xid: Number(event.readBigUInt64LE(EVENT.data)) })
    }
    return events
  }
}

function memoryOf(struct: Buffer, at: { readonly total: number; readonly used: number }): Memory {
  return { totalBytes: Number(struct.readBigUInt64LE(at.total)), usedBytes: Number(struct.readBigUInt64LE(at.used)) }
}

function scaled(value: number | undefined, by: number): number | undefined {
  return value === undefined ? undefined : value * by
}
