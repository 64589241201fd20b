// The processes of one collection of GPUs, put together from what lists and samples say of them and where they run. Knows moments
// and reused numbers; asks nobody.
import type { GpuProcess } from '../model.ts'
import { sharesOf } from './gpu-shares.ts'
import type { GpuReading, KnownGpu } from './nvml-device.ts'
import { type ProcessPlace, TICKS_PER_SECOND } from './process-cgroups.ts'

/** A pid of one tick may be read as of the tick before. */
const TICK_SLACK = 1

type Unplaced = Omit<GpuProcess, 'cgroup' | 'cgroupPath'>

export class FoundProcesses {
  /** To be looked up, each with a moment (ticks since the boot) at which it ran. */
  readonly aliveAt = new Map<number, number>()
  readonly #found: (Unplaced & { readonly seenTicks: number })[] = []
  readonly #startTicks: number
  readonly #nowMs: number
  readonly #sinceUs: number

  constructor(startTicks: number, nowMs: number, sinceUs: number) {
    this.#startTicks = startTicks
    this.#nowMs = nowMs
    this.#sinceUs = sinceUs
  }

  add({ device: { uuid, index } }: KnownGpu, { processes, utilization }: GpuReading): void {
    const shares = utilization === undefined ? undefined : sharesOf(utilization, this.#sinceUs, this.#nowMs * 1000)
    const listed = new Set(processes.map(({ pid }) => pid))
    for (const { pid, memoryBytes, gpuInstance, mps } of processes) {
      const migInstance = gpuInstance === undefined ? '' : String(gpuInstance)
      const used = shares === undefined ? {} : { utilization: shares.get(pid)?.share ?? 0 }
      this.#push({ uuid, index, migInstance, pid, mps, ...used, ...(memoryBytes !== undefined && { memoryBytes }) }, this.#startTicks)
    }
    for (const [pid, { share, timeUs }] of shares ?? []) {
      if (listed.has(pid)) continue
      const seenTicks = this.#startTicks - Math.floor(((this.#nowMs - timeUs / 1000) * TICKS_PER_SECOND) / 1000)
      this.#push({ uuid, index, migInstance: '', pid, mps: false, utilization: share }, seenTicks)
    }
  }

  #push(process: Unplaced, seenTicks: number): void {
    this.#found.push({ ...process, seenTicks })
    this.aliveAt.set(process.pid, Math.max(this.aliveAt.get(process.pid) ?? 0, seenTicks + TICK_SLACK))
  }

  /** `before`: where processes were at the last collection, for those that have ended in between. */
  processes(places: ReadonlyMap<number, ProcessPlace>, before: ReadonlyMap<number, ProcessPlace>): GpuProcess[] {
    return this.#found.map(({ seenTicks, ...process }) => {
      const now = places.get(process.pid)
      const place = now !== undefined && now.startTicks <= seenTicks + TICK_SLACK ? now : before.get(process.pid)
      return { ...process, cgroup: place?.cgroup ?? 0n, cgroupPath: place?.cgroupPath ?? '' }
    })
  }
}
