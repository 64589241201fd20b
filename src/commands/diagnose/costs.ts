// What the exporter costs by its own numbers: time and memory, in the process and in the kernel. Knows metrics by name.
import { SELF } from '../../metrics.ts'
import { bytes, count, percent, seconds } from './amounts.ts'
import type { Finding } from './check.ts'
import { type OwnNumbers, row } from './own-numbers.ts'

const PROCESS_CPU = 'process_cpu_seconds_total'
const PROCESS_START = 'process_start_time_seconds'
const RESIDENT = 'process_resident_memory_bytes'
const LOOP_LAG = 'nodejs_eventloop_lag_p99_seconds'

const MIB = 1024 ** 2
/** Of the loop's turns, beyond the timer's own interval. */
const LOOP_LIMIT_S = 0.02
/** The timer that measures it. */
const LOOP_TIMER_S = 0.01
/** What the benchmarks allow for 100,000 sample lines, and what each line above them takes. */
const RESIDENT_LIMIT = { bytes: 200 * MIB, lines: 100_000, bytesPerLine: 1024 }
/** At the default sizes, and the storage of each watched socket. */
const MAP_LIMIT = { bytes: 64 * MIB, flowEntries: 65_536, bytesPerSocket: 400 }
/** Of one CPU. */
const CPU_LIMIT = 0.1
const PROGRAM_LIMIT = 0.05
/** Up to here it is the start that is seen. */
const CPU_SETTLED_S = 60

export const COSTS: readonly ((numbers: OwnNumbers) => readonly Finding[])[] = [
  collections,
  eventLoop,
  cpu,
  resident,
  mapMemory,
  programTime,
]

function collections({ samples, sizes }: OwnNumbers): readonly Finding[] {
  const interval = sizes.collectIntervalMs / 1000
  const limit = Math.min(1, interval)
  return [...samples.by(`${SELF.collectionSeconds.name}_count`, 'collector')].map(([collector, times]) => {
    const bound = samples.bound(SELF.collectionSeconds.name, 0.99, { collector })
    const within = bound === undefined || bound <= limit
    const found =
      bound === undefined
        ? 'none yet'
        : `99 of 100 ${Number.isFinite(bound) ? `within ${seconds(bound)}` : 'above every bound'}, ${count(times)} in all`
    const remedy = 'fewer ORB8_SOCKETS or ORB8_SERIES_LIMIT; see whether this machine has CPU to spare'
    return row(`collection ${collector}`, within, found, `within ${seconds(limit)}`, remedy)
  })
}

function eventLoop({ samples }: OwnNumbers): readonly Finding[] {
  if (!samples.has(LOOP_LAG)) return []
  const lag = Math.max(samples.sum(LOOP_LAG) - LOOP_TIMER_S, 0)
  const found = `99 of 100 turns at most ${seconds(lag)} late since the last scrape`
  return [row('event loop', lag < LOOP_LIMIT_S, found, `under ${seconds(LOOP_LIMIT_S)}`, 'see whether this machine has CPU to spare')]
}

function cpu({ samples, now }: OwnNumbers): readonly Finding[] {
  if (!samples.has(PROCESS_CPU)) return []
  const age = now - samples.sum(PROCESS_START)
  const share = samples.sum(PROCESS_CPU) / Math.max(age, 1)
  const good = share < CPU_LIMIT || age < CPU_SETTLED_S
  const remedy = 'scrape less often, raise ORB8_COLLECT_INTERVAL, or leave labels out with ORB8_FLOW_LABELS'
  return [row('cpu', good, `${percent(share)} of one CPU since the start`, `under ${percent(CPU_LIMIT)}`, remedy)]
}

function resident({ samples }: OwnNumbers): readonly Finding[] {
  if (!samples.has(RESIDENT)) return []
  const used = samples.sum(RESIDENT)
  const above = Math.max(samples.sum(SELF.series.name) - RESIDENT_LIMIT.lines, 0)
  const limit = RESIDENT_LIMIT.bytes + above * RESIDENT_LIMIT.bytesPerLine
  const remedy = 'lower ORB8_SERIES_LIMIT, or leave labels out with ORB8_FLOW_LABELS'
  return [row('memory', used < limit, `${bytes(used)} resident`, `under ${bytes(limit)}`, remedy)]
}

/** Beside the process: the kernel's, charged to its cgroup. */
function mapMemory({ samples, sizes }: OwnNumbers): readonly Finding[] {
  if (!samples.has(SELF.mapMemory.name)) return []
  const byMap = [...samples.by(SELF.mapMemory.name, 'map')].sort(([, a], [, b]) => b - a)
  const used = byMap.reduce((sum, [, value]) => sum + value, 0)
  const [largest = '', most = 0] = byMap[0] ?? []
  const sockets = samples.sum(SELF.socketsTracked.name) * MAP_LIMIT.bytesPerSocket
  const limit = MAP_LIMIT.bytes * Math.max(1, sizes.flowEntries / MAP_LIMIT.flowEntries) + sockets
  const found = `${bytes(used)} of kernel memory, ${bytes(most)} of it ${largest}`
  return [row('map memory', used < limit, found, `under ${bytes(limit)}`, 'lower ORB8_FLOW_ENTRIES')]
}

function programTime({ samples, before, seconds: between }: OwnNumbers): readonly Finding[] {
  const should = `under ${percent(PROGRAM_LIMIT)}`
  if (!samples.has(SELF.programRunSeconds.name)) {
    const howTo = 'to see it: sysctl kernel.bpf_stats_enabled=1 (two clock reads a run, for every program of this machine)'
    return [{ ...row('program time', true, 'not counted by the kernel', should, ''), remedy: howTo }]
  }
  if (between === 0) return []
  const spent = samples.sum(SELF.programRunSeconds.name) - before.sum(SELF.programRunSeconds.name)
  const runs = samples.sum(SELF.programRuns.name) - before.sum(SELF.programRuns.name)
  const share = spent / between
  const each = runs > 0 ? `, ${count((spent / runs) * 1e9)} ns each` : ''
  const found = `${percent(share)} of one CPU, ${count(runs / between)} runs a second${each}`
  return [row('program time', share < PROGRAM_LIMIT, found, should, 'see which: rate(orb8_bpf_program_run_seconds_total[1m]) by program')]
}
