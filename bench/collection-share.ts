// Loaded into the exporter beside its own code: after each collection it says on stderr how much of the event loop that took, or,
// every other time, for how long it was held at most, since looking for that takes time itself. Knows the collector by name only.
import { eventLoopUtilization } from 'node:perf_hooks'
import { setImmediate } from 'node:timers/promises'
import type { FlowCollector } from '../src/collect/flows.ts'

/** Of one collection; either `activeMs` and `cpuMs` or `longestMs`. */
export interface Share {
  /** Entries drained of the flow map. */
  readonly drained: number
  /** In which the loop did not wait. */
  readonly activeMs?: number
  /** Of the main thread. */
  readonly cpuMs?: number
  readonly longestMs?: number
}

const EVERY_MS = 1

const { FlowCollector: Built } = (await import(new URL('../dist/collect/flows.js', import.meta.url).href)) as {
  FlowCollector: typeof FlowCollector
}
const { collect } = Built.prototype
let collections = 0

Built.prototype.collect = async function () {
  const end = collections++ % 2 === 0 ? measureShare() : measureHolds()
  const collected = await collect.call(this)
  // What follows in the same turn, the snapshot above all, is part of it.
  void (async () => {
    await setImmediate()
    await setImmediate()
    const share: Share = { drained: collected.entries.flows, ...end() }
    process.stderr.write(`${JSON.stringify({ share })}\n`)
  })()
  return collected
}

function measureShare(): () => Partial<Share> {
  const loop = eventLoopUtilization()
  const cpu = process.threadCpuUsage()
  return () => {
    const { user, system } = process.threadCpuUsage(cpu)
    return { activeMs: eventLoopUtilization(loop).active, cpuMs: (user + system) / 1000 }
  }
}

function measureHolds(): () => Partial<Share> {
  let last = performance.now()
  let longestMs = 0
  const look = (): void => {
    const now = performance.now()
    longestMs = Math.max(longestMs, now - last - EVERY_MS)
    last = now
  }
  const timer = setInterval(look, EVERY_MS)
  return () => {
    clearInterval(timer)
    look()
    return { longestMs }
  }
}
