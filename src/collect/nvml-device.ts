// Asks NVML all there is to know of one GPU, its MIG instances and its processes. Knows what to ask; nothing of other GPUs or of names.
import { CLOCK, type Nvml, type NvmlDevice, PCIE } from '../kernel/nvml.ts'
import { NvmlError, type NvmlFailure } from '../kernel/nvml-codes.ts'
import type { ProcessKind } from '../kernel/nvml-library.ts'
import type { ListedProcess, UtilizationSample } from '../kernel/nvml-processes.ts'
import type { GpuDevice, GpuReadings, GpuSample } from '../model.ts'

export interface GpuReading {
  readonly samples: readonly GpuSample[]
  readonly processes: readonly ProcessOnGpu[]
  /** Undefined where the driver does not tell, as under MIG. */
  readonly utilization: readonly UtilizationSample[] | undefined
}

export interface ProcessOnGpu extends ListedProcess {
  readonly mps: boolean
}

/** What does not change while NVML stays open. */
export interface KnownGpu {
  readonly handle: NvmlDevice
  readonly device: GpuDevice
  /** It tells of its errors. */
  readonly listening: boolean
}

/** The rest of a turn that took too long is not asked. */
export class Overdue extends Error {
  override readonly name = 'Overdue'
}

/** One device's questions of one collection, one after the other. */
export class Turn {
  over = false
  readonly failures: NvmlFailure[] = []

  /** Undefined for what is not there or failed alone. Throws where no further question makes sense. */
  async ask<T>(question: () => Promise<T | undefined>): Promise<T | undefined> {
    if (this.over) throw new Overdue()
    try {
      return await question()
    } catch (error) {
      if (!(error instanceof NvmlError) || ['driver', 'lost', 'timeout'].includes(error.failure)) throw error
      this.failures.push(error.failure)
      return undefined
    }
  }
}

const KINDS: readonly ProcessKind[] = ['compute', 'graphics', 'mps']
const NO_READINGS: GpuReadings = {}

export async function identify(nvml: Nvml, index: number, turn: Turn): Promise<KnownGpu> {
  const handle = (await turn.ask(() => nvml.device(index))) as NvmlDevice | undefined
  if (handle === undefined) throw new NvmlError(`open GPU ${index}`, 'NO_HANDLE', turn.failures.at(-1) ?? 'other')
  const uuid = (await turn.ask(() => nvml.uuid(handle))) ?? ''
  const model = (await turn.ask(() => nvml.model(handle))) ?? ''
  const minor = await turn.ask(() => nvml.minor(handle))
  const listening = (await turn.ask(() => nvml.listen(handle))) === true
  return {
    handle,
    device: {
      uuid,
      index: String(index),
      minor: minor === undefined ? '' : String(minor),
      model,
      migProfile: '',
      migInstance: '',
      migUuids: [],
    },
    listening,
  }
}

/** `sinceUs`: from when on utilization of processes is asked, us since the epoch. The whole GPU is the first sample. */
export async function readGpu(nvml: Nvml, gpu: KnownGpu, turn: Turn, sinceUs: number): Promise<GpuReading> {
  const { handle, device } = gpu
  const isMig = (await turn.ask(() => nvml.isMig(handle))) === true
  const readings = await readWhole(nvml, handle, turn)
  const memory = isMig ? undefined : await readMemory(nvml, handle, turn)
  const whole: GpuSample = { device, readings: { ...readings, ...memory } }
  const instances = isMig ? await readInstances(nvml, gpu, turn) : []
  const processes = await readProcesses(nvml, handle, turn)
  const utilization = isMig ? undefined : await turn.ask(() => nvml.processUtilization(handle, sinceUs))
  return { samples: [whole, ...instances], processes, utilization }
}

async function readWhole(nvml: Nvml, handle: NvmlDevice, turn: Turn): Promise<GpuReadings> {
  return known({
    utilization: await turn.ask(() => nvml.utilization(handle)),
    powerWatts: await turn.ask(() => nvml.powerWatts(handle)),
    temperatureCelsius: await turn.ask(() => nvml.temperatureCelsius(handle)),
    energyJoules: await turn.ask(() => nvml.energyJoules(handle)),
    smClockHertz: await turn.ask(() => nvml.clockHertz(handle, CLOCK.sm)),
    memoryClockHertz: await turn.ask(() => nvml.clockHertz(handle, CLOCK.memory)),
    pcieEgress: await turn.ask(() => nvml.pcieBytesPerSecond(handle, PCIE.egress)),
    pcieIngress: await turn.ask(() => nvml.pcieBytesPerSecond(handle, PCIE.ingress)),
  })
}

async function readMemory(nvml: Nvml, handle: NvmlDevice, turn: Turn): Promise<GpuReadings> {
  const memory = await turn.ask(() => nvml.memory(handle))
  return memory === undefined ? NO_READINGS : { memoryUsedBytes: memory.usedBytes, memoryTotalBytes: memory.totalBytes }
}

/** A sample for each GPU instance: its compute instances share its memory. */
async function readInstances(nvml: Nvml, gpu: KnownGpu, turn: Turn): Promise<GpuSample[]> {
  const byInstance = new Map<string, { device: GpuDevice; migUuids: string[]; readings: GpuReadings }>()
  for (const handle of (await turn.ask(() => nvml.migDevices(gpu.handle))) ?? []) {
    const instance = await turn.ask(() => nvml.gpuInstance(handle))
    const migUuid = (await turn.ask(() => nvml.uuid(handle))) ?? ''
    if (instance === undefined) continue
    const before = byInstance.get(String(instance))
    if (before !== undefined) {
      before.migUuids.push(migUuid)
      continue
    }
    const device = { ...gpu.device, migProfile: await profileOf(nvml, handle, turn), migInstance: String(instance) }
    byInstance.set(device.migInstance, { device, migUuids: [migUuid], readings: await readMemory(nvml, handle, turn) })
  }
  return [...byInstance.values()].map(({ device, migUuids, readings }) => ({ device: { ...device, migUuids }, readings }))
}

/** `1g.10gb`, of the whole GPU instance: the name's, without the compute slices, else from its slices. */
async function profileOf(nvml: Nvml, handle: NvmlDevice, turn: Turn): Promise<string> {
  const named = / MIG (?:\d+c\.)?(\S+)$/.exec((await turn.ask(() => nvml.model(handle))) ?? '')?.[1]
  if (named !== undefined) return named
  const slices = await turn.ask(() => nvml.slices(handle))
  return slices === undefined ? '' : `${slices.gpu}g.${Math.ceil(slices.megabytes / 1024)}gb`
}

/** A process may stand in several lists, with the same memory in each. */
async function readProcesses(nvml: Nvml, handle: NvmlDevice, turn: Turn): Promise<ProcessOnGpu[]> {
  const found = new Map<string, ProcessOnGpu>()
  for (const kind of KINDS) {
    for (const process of (await turn.ask(() => nvml.processes(handle, kind))) ?? []) {
      const key = `${process.pid} ${process.gpuInstance}`
      const before = found.get(key)
      const mps = kind === 'mps' || before?.mps === true
      const memoryBytes = largest(process.memoryBytes, before?.memoryBytes)
      found.set(key, { ...process, memoryBytes, mps })
    }
  }
  return [...found.values()]
}

function largest(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? (a ?? b) : Math.max(a, b)
}

type Unsure<T> = { readonly [K in keyof T]?: T[K] | undefined }

function known(readings: Unsure<GpuReadings>): GpuReadings {
  return Object.fromEntries(Object.entries(readings).filter(([, value]) => value !== undefined))
}
