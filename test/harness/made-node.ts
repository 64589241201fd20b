// A node of the made-up cluster: a real store, the exporter's own numbers, and their scrape as Prometheus keeps it. Knows no topology.
import { FLOW_LABELS, type FlowLabelName } from '../../src/metrics.ts'
import { createSelf, type Self } from '../../src/publish/self.ts'
import { encode } from '../../src/publish/text.ts'
import { createStore, type Store } from '../../src/store/store.ts'
import { parseExposition, type Sample } from './exposition.ts'
import { devices } from './made-devices.ts'

const DEFAULT_LABELS = ([...FLOW_LABELS, 'direction'] as FlowLabelName[]).filter((name) => name !== 'pod' && name !== 'container')

/** Up and down over the hours, each in its own time. */
export const tide = (step: number, phase: number): number => 1 + 0.4 * Math.sin(step / 9 + phase)

export class Node {
  readonly name: string
  readonly zone: string
  readonly store: Store
  readonly self: Self

  constructor(name: string, zone: string, nowMs: () => number) {
    this.name = name
    this.zone = zone
    const seriesLimit = 50_000
    this.store = createStore({ flowLabels: DEFAULT_LABELS, seriesLimit, seriesIdleMs: 3_600_000, now: nowMs, startMs: nowMs() })
    this.self = createSelf({ version: '0.1.0', libbpfVersion: '1.1.2' })
  }
}

const PROGRAMS = ['orb8_tcp_state', 'orb8_tcp_events', 'orb8_walk', 'orb8_egress', 'orb8_ingress', 'orb8_udp_drop']

function tellSelf({ self }: Node, index: number, step: number, nowMs: number): void {
  for (const program of PROGRAMS) {
    self.programLoaded(program, index === 0 || program !== 'orb8_udp_drop')
    self.programRuns(program, 9e5 * (step + 1), 9e5 * (step + 1) * 150e-9)
  }
  self.loadSeconds(0.2)
  for (const [map, capacity, share] of [
    ['flows', 65536, 0.2],
    ['overflow', 8192, 0],
    ['health', 16384, 0.05],
    ['prefixes', 16384, 0.01],
  ] as const) {
    self.mapCapacity(map, capacity)
    self.mapEntries(map, Math.round(capacity * share * tide(step, index)))
    self.mapMemory(map, capacity * 200)
  }
  self.flowOverflow(step * index, step * index * 5000)
  self.socketsTracked(800 + 50 * index)
  self.socketsUntracked('limit', step * index)
  self.readerGap(index * 900)
  self.seriesOverflow(step * index)
  self.collected('flows', 0.012 + 0.004 * Math.sin(nowMs))
  self.collectionFailed('dcgm', 'timeout', 1)
  for (const stage of ['walk', 'drain', 'resolve', 'commit', 'snapshot'] as const) self.stage(stage, 0.003)
}

type Labels = Readonly<Record<string, string>>

/** One scrape, each sample with its time; everything of before has been added to the store. */
export async function scrape(node: Node, index: number, step: number, nowMs: number): Promise<string> {
  const { name, zone, store, self } = node
  tellSelf(node, index, step, nowMs)
  await store.commit(nowMs)
  const stats = store.stats()
  self.series(stats.series)
  self.attributedBytes(stats.attributedBytes)
  const pages = encode(store.snapshot(nowMs), await self.families(), 'prometheus', Buffer.alloc)
  // One family of each name, as in a scrape of its own: several of them were made piece by piece.
  const more = devices(index, step, nowMs).flatMap((one) => [...encode(undefined, [one], 'prometheus', Buffer.alloc)].map(String))
  const samples = [
    ...parseExposition(Buffer.concat([...pages]).toString()).samples,
    ...more.flatMap((text) => parseExposition(text).samples),
  ]
  const target = {
    cluster: 'made',
    node: name,
    zone,
    job: 'orb8',
    instance: `10.0.0.${index + 1}:9091`,
    namespace: 'monitoring',
    pod: `orb8-${name}`,
  }
  const scraped: Sample[] = [
    { name: 'up', labels: {}, value: 1 },
    { name: 'scrape_duration_seconds', labels: {}, value: 0.03 },
  ]
  return [...samples, ...scraped].map((sample) => line(sample, target, nowMs)).join('')
}

/** As Prometheus takes it with honor_labels: what was scraped wins over the target, and an empty label is none. */
function line({ name, labels, value }: Sample, target: Labels, nowMs: number): string {
  const all = Object.entries({ ...target, ...labels }).filter(([, text]) => text !== '')
  const inside = all.map(([label, text]) => `${label}=${JSON.stringify(text)}`).join(',')
  return `${name}{${inside}} ${value === Number.POSITIVE_INFINITY ? '+Inf' : value} ${nowMs / 1000}\n`
}
