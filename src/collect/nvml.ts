// Collects GPUs and the processes on them through NVML, each device on its own: one that hangs is left out until its call comes
// back. Knows when to ask and for how long; nothing of names or metrics.
import { Nvml, type NvmlDevice } from '../kernel/nvml.ts'
import { NvmlError, type NvmlFailure } from '../kernel/nvml-codes.ts'
import { openNvmlLibrary } from '../kernel/nvml-library.ts'
import type { GpuProcess, GpuSample } from '../model.ts'
import { FoundProcesses } from './gpu-processes.ts'
import { type GpuReading, identify, type KnownGpu, Overdue, readGpu, Turn } from './nvml-device.ts'
import { type ProcessPlace, type ProcessWorld, placesOf, ticksSinceBoot } from './process-cgroups.ts'

export interface NvmlCollectorOptions extends ProcessWorld {
  /** `auto`: no library or no driver is no failure until one has been there. */
  readonly mode: 'auto' | 'on'
  /** Where the library may be. */
  readonly paths?: readonly string[]
  /** Calls at once: threads of libuv's pool, each taken for good where a device hangs. */
  readonly threads?: number
  /** How long one collection waits for devices. */
  readonly limitMs?: number
  /** Between two tries to open NVML. */
  readonly retryMs?: number
  /** ms since the epoch: the clock of the driver's samples. */
  readonly now?: () => number
}

export interface GpuCollected {
  readonly driverVersion: string
  /** Devices that the driver has, also those that said nothing this time. */
  readonly devices: number
  readonly samples: readonly GpuSample[]
  readonly processes: readonly GpuProcess[]
  /** What did not work, by reason; a device that hangs is one `timeout` each time. */
  readonly failures: ReadonlyMap<NvmlFailure, number>
}

/** Longer than a GPU takes to wake, far shorter than a scrape's patience. */
const LIMIT_MS = 2000
const RETRY_MS = 30_000
const NO_LIBRARY =
  "let NVIDIA's container runtime give the driver to the container (NVIDIA_DRIVER_CAPABILITIES=utility), or mount its libraries"
/** What the driver remembers of processes: 72 samples or more, six to one a second. */
const WINDOW_MS = 15_000
/** No machine has more; each costs an entry and a turn. */
const MOST_DEVICES = 64

interface Lane {
  readonly index: number
  known: KnownGpu | undefined
  turn: Turn | undefined
}

interface Opened {
  readonly nvml: Nvml
  readonly driverVersion: string
  readonly lanes: readonly Lane[]
  readonly lastXid: Map<NvmlDevice, number>
  /** Asking for events; undefined while nobody does. */
  listening: Promise<void> | undefined
}

export class NvmlCollector {
  readonly #options: NvmlCollectorOptions
  readonly #limitMs: number
  readonly #now: () => number
  #opened: Opened | undefined
  #opening: Promise<Opened | undefined> | undefined
  #nextTryMs = 0
  #lastError: unknown
  #everWorked = false
  #underWay: Promise<GpuCollected | undefined> | undefined
  /** Of the last collection: processes that have ended since are still theirs. */
  #places: ReadonlyMap<number, ProcessPlace> = new Map()

  constructor(options: NvmlCollectorOptions) {
    this.#options = options
    this.#limitMs = options.limitMs ?? LIMIT_MS
    this.#now = options.now ?? Date.now
  }

  /** To be asked after `close`: some call has not come back. process.exit would wait for it, see leaveAtOnce. */
  get hangs(): boolean {
    return this.#opening !== undefined || (this.#opened?.nvml.callsUnderWay ?? 0) > 0
  }

  /**
   * Undefined where there is no NVML and none is called for. Rejects with NvmlError or KernelError where it cannot be used at all.
   * Whoever asks while a collection is under way gets that one.
   */
  collect(): Promise<GpuCollected | undefined> {
    this.#underWay ??= this.#collect().finally(() => {
      this.#underWay = undefined
    })
    return this.#underWay
  }

  /** Gives the driver back. What hangs is left as it is. */
  async close(): Promise<void> {
    const gone = await this.#opened?.nvml.close().catch(() => false)
    if (gone !== false) this.#opened = undefined
  }

  async #collect(): Promise<GpuCollected | undefined> {
    const opened = this.#opened ?? (await this.#open())
    if (opened === undefined) return undefined
    const nowMs = this.#now()
    const startTicks = ticksSinceBoot(this.#options.procRoot)
    const sinceUs = (nowMs - WINDOW_MS) * 1000
    const failures = new Failures()

    const readings = await this.#readAll(opened, sinceUs, failures)
    if (failures.counts.has('driver')) await this.#reopenLater(opened)
    const [worst] = failures.counts.keys()
    if (readings.size === 0 && worst !== undefined) throw new NvmlError('read any GPU', `all ${opened.lanes.length} fail: ${worst}`, worst)
    this.#everWorked = true

    const found = new FoundProcesses(startTicks, nowMs, sinceUs)
    for (const [gpu, reading] of readings) found.add(gpu, reading)
    const places = await placesOf(found.aliveAt, this.#options)
    const processes = found.processes(places, this.#places)
    this.#places = places
    const samples = [...readings].flatMap(([gpu, reading]) => withXid(reading.samples, gpu, opened.lastXid))
    return { driverVersion: opened.driverVersion, devices: opened.lanes.length, samples, processes, failures: failures.counts }
  }

  async #readAll(opened: Opened, sinceUs: number, failures: Failures): Promise<ReadonlyMap<KnownGpu, GpuReading>> {
    const { nvml, lanes } = opened
    const readings = new Map<KnownGpu, GpuReading>()
    const turns = lanes
      .filter((lane) => lane.turn === undefined)
      .map(async (lane) => {
        const turn = new Turn()
        lane.turn = turn
        try {
          lane.known ??= await identify(nvml, lane.index, turn)
          const reading = await readGpu(nvml, lane.known, turn, sinceUs)
          if (!turn.over) readings.set(lane.known, reading)
        } catch (error) {
          if (!(error instanceof Overdue)) turn.failures.push(failureOf(error))
        } finally {
          if (!turn.over) for (const failure of turn.failures) failures.add(failure)
          lane.turn = undefined
        }
      })
    await within(this.#limitMs, Promise.all([...turns, ...this.#hear(opened, failures)]))
    for (const { turn } of lanes) {
      if (turn === undefined) continue
      turn.over = true
      failures.add('timeout')
    }
    return new Map([...readings].sort(([a], [b]) => Number(a.device.index) - Number(b.device.index)))
  }

  /** One asking at a time, and nobody waits for one that hung before. */
  #hear(opened: Opened, failures: Failures): readonly Promise<void>[] {
    if (opened.listening !== undefined) return []
    opened.listening = opened.nvml
      .xidEvents()
      .then(
        (events) => {
          for (const { device, xid } of events) opened.lastXid.set(device, xid)
        },
        (error) => failures.add(failureOf(error)),
      )
      .finally(() => {
        opened.listening = undefined
      })
    return [opened.listening]
  }

  async #open(): Promise<Opened | undefined> {
    if (this.#opening === undefined) {
      if (performance.now() < this.#nextTryMs) return this.#absent(this.#lastError)
      this.#nextTryMs = performance.now() + (this.#options.retryMs ?? RETRY_MS)
      this.#opening = this.#openNow().finally(() => {
        this.#opening = undefined
      })
      this.#opening.catch(() => undefined)
    }
    try {
      const opened = await within(this.#limitMs, this.#opening)
      if (opened === 'late') throw new NvmlError('initialise NVML', `no answer within ${this.#limitMs} ms`, 'timeout')
      if (opened === undefined) return this.#absent(new NvmlError('find libnvidia-ml.so.1', 'no such library', 'driver', NO_LIBRARY))
      return opened
    } catch (error) {
      return this.#absent(error)
    }
  }

  async #openNow(): Promise<Opened | undefined> {
    const library = openNvmlLibrary(this.#options.paths)
    if (library === undefined) return undefined
    const nvml = await Nvml.open(library, this.#options.threads)
    const { devices, driverVersion } = await survey(nvml)
    const lanes = Array.from({ length: devices }, (_, index): Lane => ({ index, known: undefined, turn: undefined }))
    this.#opened = { nvml, driverVersion, lanes, lastXid: new Map(), listening: undefined }
    this.#lastError = undefined
    return this.#opened
  }

  /** What `auto` takes for a machine without GPUs; all else is thrown. */
  #absent(error: unknown): undefined {
    this.#lastError = error
    const quiet = error instanceof NvmlError && error.failure === 'driver' && this.#options.mode === 'auto' && !this.#everWorked
    if (!quiet && error !== undefined) throw error
    return undefined
  }

  /** The driver went away or was replaced: the library has to be opened anew, also the file. */
  async #reopenLater(opened: Opened): Promise<void> {
    if (!(await opened.nvml.close().catch(() => false))) return
    this.#opened = undefined
    this.#nextTryMs = 0
  }
}

async function survey(nvml: Nvml): Promise<{ readonly devices: number; readonly driverVersion: string }> {
  try {
    const devices = Math.min(await nvml.deviceCount(), MOST_DEVICES)
    if (devices === 0) throw new NvmlError('find a GPU', 'the driver has none', 'driver')
    return { devices, driverVersion: await nvml.driverVersion() }
  } catch (error) {
    await nvml.close()
    throw error
  }
}

/** The driver tells errors of the whole GPU, the first sample. */
function withXid(samples: readonly GpuSample[], gpu: KnownGpu, lastXid: ReadonlyMap<NvmlDevice, number>): GpuSample[] {
  const heard = gpu.listening ? { lastXid: lastXid.get(gpu.handle) ?? 0 } : {}
  return samples.map((sample, index) => (index === 0 ? { ...sample, readings: { ...sample.readings, ...heard } } : sample))
}

class Failures {
  readonly counts = new Map<NvmlFailure, number>()

  add(failure: NvmlFailure): void {
    this.counts.set(failure, (this.counts.get(failure) ?? 0) + 1)
  }
}

function failureOf(error: unknown): NvmlFailure {
  return error instanceof NvmlError ? error.failure : 'other'
}

async function within<T>(limitMs: number, what: Promise<T>): Promise<T | 'late'> {
  const late = Promise.withResolvers<'late'>()
  const timer = setTimeout(() => late.resolve('late'), limitMs)
  try {
    return await Promise.race([what, late.promise])
  } finally {
    clearTimeout(timer)
  }
}
