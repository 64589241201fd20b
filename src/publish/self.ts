// The exporter's numbers about itself: prom-client keeps them, SELF in metrics.ts says what they are. Knows nothing of where
// they come from, nor how they are written.
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import { SELF } from '../metrics.ts'
import type { Attribution, Metric } from '../model.ts'
import type { Family, Sample } from './text.ts'

/** Gauges named like counters, which promtool refuses; the ones by type stay. */
const MISNAMED = ['nodejs_active_handles_total', 'nodejs_active_requests_total', 'nodejs_active_resources_total']

/** Bounds of a collection's time, s. */
const COLLECTION_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

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
  flowOverflow(flows: number, bytes: number): void
  socketsTracked(sockets: number): void
  socketsUntracked(reason: (typeof UNTRACKED)[number], sockets: number): void
  /** As the store's stats. */
  series(lines: number): void
  seriesOverflow(flows: number): void
  attributedBytes(bytes: Readonly<Record<Attribution, number>>): void
  /** One collection of `collector` worked and took so long, s. */
  collected(collector: string, seconds: number): void
  /** One failed. `reason` is one of few words: it is a label. */
  collectionFailed(collector: string, reason: string, seconds: number): void
  otlpExported(result: (typeof EXPORT_RESULTS)[number]): void
  families(): Promise<Family[]>
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
  const flowOverflow = counter(SELF.flowOverflow)
  const flowOverflowBytes = counter(SELF.flowOverflowBytes)
  const socketsTracked = gauge(SELF.socketsTracked)
  const socketsUntracked = counter(SELF.socketsUntracked)
  const series = gauge(SELF.series)
  const seriesOverflow = counter(SELF.seriesOverflow)
  const attributedBytes = counter(SELF.attributedBytes)
  const collectionSeconds = new Histogram({ ...definition(SELF.collectionSeconds), buckets: COLLECTION_BUCKETS })
  const collectorUp = gauge(SELF.collectorUp)
  const collectorErrors = new Counter(definition(SELF.collectorErrors))
  const otlpExports = new Counter(definition(SELF.otlpExports))
  for (const reason of UNTRACKED) socketsUntracked.set(0, { reason })
  for (const method of METHODS) attributedBytes.set(0, { method })
  for (const result of EXPORT_RESULTS) otlpExports.inc({ result }, 0)
  collectDefaultMetrics({ register: registry })
  for (const name of MISNAMED) registry.removeSingleMetric(name)

  const units = new Map(Object.values<Metric>(SELF).map(({ name, unit }) => [name, unit]))
  return {
    programLoaded: (program, loaded) => programLoaded.set({ program }, loaded ? 1 : 0),
    loadSeconds: (seconds) => loadSeconds.set(seconds),
    mapCapacity: (map, entries) => mapCapacity.set({ map }, entries),
    mapEntries: (map, entries) => mapEntries.set({ map }, entries),
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
    collectionFailed(collector, reason, seconds) {
      collectionSeconds.observe({ collector }, seconds)
      collectorUp.set({ collector }, 0)
      collectorErrors.inc({ collector, reason })
    },
    otlpExported: (result) => otlpExports.inc({ result }),
    // Not by the registry's own rendering: for OpenMetrics that renames counters for good.
    families: async () => (await registry.getMetricsAsJSON()).map((metric) => toFamily(metric, units)),
  }
}

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
