// The exporter's numbers about itself: prom-client keeps them, SELF in metrics.ts says what they are. Knows nothing of where
// they come from, nor how they are written.
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import { SELF } from '../metrics.ts'
import type { Attribution, Metric } from '../model.ts'
import { type ClusterNumbers, createClusterNumbers } from './cluster-numbers.ts'
import { type Lag, type LoopLag, watchLoop } from './loop-lag.ts'
import type { Family, Sample } from './text.ts'

/** Gauges named like counters, which promtool refuses; the ones by type stay. */
const MISNAMED = ['nodejs_active_handles_total', 'nodejs_active_requests_total', 'nodejs_active_resources_total']

/** What the loop's delay was since the last scrape, by prom-client's usual names. */
const LOOP_LAG: Readonly<Record<keyof Lag, string>> = {
  min: 'The least delay of the event loop since the last scrape.',
  max: 'The longest delay of the event loop since the last scrape.',
  mean: 'The mean delay of the event loop since the last scrape.',
  stddev: 'The standard deviation of the delays of the event loop since the last scrape.',
  p50: 'The 50th percentile of the delays of the event loop since the last scrape.',
  p90: 'The 90th percentile of the delays of the event loop since the last scrape.',
  p99: 'The 99th percentile of the delays of the event loop since the last scrape.',
}

/** Longer than a process runs: prom-client's own measuring of the loop never wakes it. */
const NEVER_MS = 2 ** 31 - 1

/** Bounds of a collection's time, s. */
const COLLECTION_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

/** Of a stage's: fewer, since there are more of them; 20 ms is what all together may hold the event loop. */
const STAGE_BUCKETS = [0.0001, 0.001, 0.005, 0.02, 0.1, 0.5, 2.5, 10]

/** Of a collection of flows, in their order. */
export type Stage = 'walk' | 'drain' | 'resolve' | 'commit' | 'snapshot'

const UNTRACKED = ['limit', 'memory'] as const
const EXPORT_RESULTS = ['success', 'failure'] as const
const METHODS = ['cgroup', 'pod_ip', 'host', 'none'] as const satisfies readonly Attribution[]

export interface SelfInfo {
  readonly version: string
  readonly libbpfVersion: string
}

/** Counters are set to absolute totals; a total lower than the last one changes nothing. */
export interface Self {
  programLoaded(program: string, loaded: boolean): void
  /** From the start of loading to the last program attached, s. */
  loadSeconds(seconds: number): void
  mapCapacity(map: string, entries: number): void
  mapEntries(map: string, entries: number): void
  /** Bytes of kernel memory. */
  mapMemory(map: string, bytes: number): void
  /** Since it was loaded; to be told only while the kernel counts them. */
  programRuns(program: string, runs: number, seconds: number): void
  /** In which nothing was counted for want of a reader, all together. */
  readerGap(seconds: number): void
  flowOverflow(flows: number, bytes: number): void
  socketsTracked(sockets: number): void
  socketsUntracked(reason: (typeof UNTRACKED)[number], sockets: number): void
  /** As the store's stats. */
  series(lines: number): void
  seriesOverflow(flows: number): void
  attributedBytes(bytes: Readonly<Record<Attribution, number>>): void
  /** One collection of `collector` worked and took so long, s. */
  collected(collector: string, seconds: number): void
  /** One stage of one collection took so long, s. */
  stage(name: Stage, seconds: number): void
  /** One failed. `reason` is one of few words: it is a label. */
  collectionFailed(collector: string, reason: string, seconds: number): void
  /** A part of one failed so often, the rest worked. */
  collectedPartly(collector: string, reason: string, times: number): void
  readonly kubernetes: ClusterNumbers
  otlpExported(result: (typeof EXPORT_RESULTS)[number]): void
  /** For /metrics: the delay of the event loop is that since the last call. */
  families(): Promise<Family[]>
  /** The same for the push, with a delay of its own: neither takes what the other is to see. */
  pushFamilies(): Promise<Family[]>
}

export function createSelf({ version, libbpfVersion }: SelfInfo): Self {
  const registry = new Registry()
  const registers = [registry]
  const definition = ({ name, help, labels }: Metric) => ({ name, help, labelNames: [...labels], registers })
  const gauge = (metric: Metric): Gauge => new Gauge(definition(metric))
  const counter = (metric: Metric): Total => new Total(new Counter(definition(metric)))

  gauge(SELF.buildInfo).set({ version, node_version: process.version, libbpf_version: libbpfVersion }, 1)
  const programLoaded = gauge(SELF.programLoaded)
  const loadSeconds = gauge(SELF.loadSeconds)
  const mapEntries = gauge(SELF.mapEntries)
  const mapCapacity = gauge(SELF.mapCapacity)
  const mapMemory = gauge(SELF.mapMemory)
  const programRuns = counter(SELF.programRuns)
  const programRunSeconds = counter(SELF.programRunSeconds)
  const readerGap = counter(SELF.readerGap)
  const flowOverflow = counter(SELF.flowOverflow)
  const flowOverflowBytes = counter(SELF.flowOverflowBytes)
  const socketsTracked = gauge(SELF.socketsTracked)
  const socketsUntracked = counter(SELF.socketsUntracked)
  const series = gauge(SELF.series)
  const seriesOverflow = counter(SELF.seriesOverflow)
  const attributedBytes = counter(SELF.attributedBytes)
  const collectionSeconds = new Histogram({ ...definition(SELF.collectionSeconds), buckets: COLLECTION_BUCKETS })
  const stageSeconds = new Histogram({ ...definition(SELF.stageSeconds), buckets: STAGE_BUCKETS })
  const collectorUp = gauge(SELF.collectorUp)
  const collectorErrors = new Counter(definition(SELF.collectorErrors))
  const kubernetes = createClusterNumbers(registry)
  const otlpExports = new Counter(definition(SELF.otlpExports))
  for (const reason of UNTRACKED) socketsUntracked.set(0, { reason })
  for (const method of METHODS) attributedBytes.set(0, { method })
  for (const result of EXPORT_RESULTS) otlpExports.inc({ result }, 0)
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: NEVER_MS })
  for (const name of [...MISNAMED, ...Object.keys(LOOP_LAG).map(lagName)]) registry.removeSingleMetric(name)

  const loop = watchLoop()
  const scraped = lagReader(loop)
  let pushed: (() => Family[]) | undefined
  const units = new Map(Object.values<Metric>(SELF).map(({ name, unit }) => [name, unit]))
  // Not by the registry's own rendering: for OpenMetrics that renames counters for good.
  const families = async (lag: readonly Family[]): Promise<Family[]> => {
    const metrics = await registry.getMetricsAsJSON()
    return [...metrics.map((metric) => toFamily(metric, units)), ...lag]
  }
  return {
    programLoaded: (program, loaded) => programLoaded.set({ program }, loaded ? 1 : 0),
    loadSeconds: (seconds) => loadSeconds.set(seconds),
    mapCapacity: (map, entries) => mapCapacity.set({ map }, entries),
    mapEntries: (map, entries) => mapEntries.set({ map }, entries),
    mapMemory: (map, bytes) => mapMemory.set({ map }, bytes),
    programRuns(program, runs, seconds) {
      programRuns.set(runs, { program })
      programRunSeconds.set(seconds, { program })
    },
    readerGap: (seconds) => readerGap.set(seconds),
    flowOverflow(flows, bytes) {
      flowOverflow.set(flows)
      flowOverflowBytes.set(bytes)
    },
    socketsTracked: (sockets) => socketsTracked.set(sockets),
    socketsUntracked: (reason, sockets) => socketsUntracked.set(sockets, { reason }),
    series: (lines) => series.set(lines),
    seriesOverflow: (flows) => seriesOverflow.set(flows),
    attributedBytes(bytes) {
      for (const method of METHODS) attributedBytes.set(bytes[method], { method })
    },
    collected(collector, seconds) {
      collectionSeconds.observe({ collector }, seconds)
      collectorUp.set({ collector }, 1)
    },
    stage: (name, seconds) => stageSeconds.observe({ stage: name }, seconds),
    collectionFailed(collector, reason, seconds) {
      collectionSeconds.observe({ collector }, seconds)
      collectorUp.set({ collector }, 0)
      collectorErrors.inc({ collector, reason })
    },
    collectedPartly: (collector, reason, times) => collectorErrors.inc({ collector, reason }, times),
    kubernetes,
    otlpExported: (result) => otlpExports.inc({ result }),
    families: () => families(scraped()),
    pushFamilies() {
      pushed ??= lagReader(loop)
      return families(pushed())
    },
  }
}

/** In place of prom-client's, for one reader: where nothing was measured since it last read, what it read then. */
function lagReader(loop: LoopLag): () => Family[] {
  const read = loop.open()
  let last: Readonly<Partial<Lag>> = {}
  const parts = Object.keys(LOOP_LAG) as (keyof Lag)[]
  return () => {
    last = read() ?? last
    return parts.map((part): Family => {
      const samples = [{ suffix: '', labels: {}, value: last[part] ?? 0 }]
      return { name: lagName(part), help: LOOP_LAG[part], type: 'gauge', unit: '', samples }
    })
  }
}

const lagName = (part: string): string => `nodejs_eventloop_lag_${part}_seconds`

type Labels = Readonly<Record<string, string>>

/** A counter that is told its totals: prom-client's only knows increments. */
class Total {
  readonly #counter: Counter
  readonly #last = new Map<string, number>()

  constructor(counter: Counter) {
    this.#counter = counter
  }

  set(total: number, labels: Labels = {}): void {
    const key = JSON.stringify(labels)
    const rise = total - (this.#last.get(key) ?? 0)
    if (rise < 0) return
    this.#counter.inc(labels, rise)
    this.#last.set(key, total)
  }
}

type PromMetric = Awaited<ReturnType<Registry['getMetricsAsJSON']>>[number]

function toFamily({ name, help, type, values }: PromMetric, units: ReadonlyMap<string, string>): Family {
  const samples = values.map((value): Sample => {
    const suffix = 'metricName' in value && typeof value.metricName === 'string' ? value.metricName.slice(name.length) : ''
    return { suffix, labels: value.labels as Sample['labels'], value: value.value }
  })
  // Text in the types, a word of the four in fact.
  return { name, help, type: type as unknown as Family['type'], unit: units.get(name) ?? '', samples }
}
