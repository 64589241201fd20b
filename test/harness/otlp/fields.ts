// What is wrong with what a collector was sent, field by field, by section 7 of the contract and OTLP's data model. Written apart from
// the exporter's own tables.
import { uptime } from 'node:os'
import type { Received } from './collector.ts'
import type { OtlpPoint } from './points.ts'

type Kind = OtlpPoint['kind']

/** What traffic is told by: kind and unit. */
const TRAFFIC: Readonly<Record<string, readonly [kind: Kind, unit: string]>> = {
  'orb8.flow.bytes': ['sum', 'By'],
  'orb8.flow.packets': ['sum', '{packet}'],
  'orb8.container.network.bytes': ['sum', 'By'],
  'orb8.container.network.packets': ['sum', '{packet}'],
  'orb8.active.flows': ['gauge', '{connection}'],
  'orb8.tcp.connections.opened': ['sum', '{connection}'],
  'orb8.tcp.connections.closed': ['sum', '{connection}'],
  'orb8.tcp.connect.failures': ['sum', '{connection}'],
  'orb8.tcp.retransmitted.segments': ['sum', '{segment}'],
  'orb8.tcp.rtt': ['histogram', 's'],
  'orb8.tcp.connect': ['histogram', 's'],
}
const TIMES = Array.from({ length: 11 }, (_, k) => (16 * 4 ** k) / 1e6)

const ATTRIBUTES = new Set([
  ...['k8s.namespace.name', 'k8s.pod.name', 'k8s.container.name', 'orb8.workload.name', 'orb8.workload.kind', 'orb8.reason'],
  ...['network.io.direction', 'network.transport', 'server.port', 'orb8.role'],
  ...['orb8.peer.kind', 'orb8.peer.namespace', 'orb8.peer.workload', 'orb8.peer.zone'],
])
const RESOURCE = ['service.name', 'service.version', 'k8s.node.name', 'host.name']
/** Clocks of one host: what a point says was before it came. */
const SKEW_MS = 50
/** What devices count they count since some time after the boot, whoever asks. */
const OF_DEVICES = /^orb8\.(gpu|rdma)\./
const BOOT_MINUTE_MS = 60_000

export interface Expected {
  readonly temporality: 'delta' | 'cumulative'
  readonly version: string
  /** Nothing began before. */
  readonly sinceMs: number
}

/** A line each, at most `most`. */
export function faults(received: readonly Received[], expected: Expected, most = 10): string[] {
  const found: string[] = []
  for (const request of received) {
    for (const name of RESOURCE) if (!request.resource[name]) found.push(`the resource has no ${name}`)
    for (const point of request.points) {
      for (const fault of faultsOf(point, request, expected)) {
        found.push(`${point.name} ${JSON.stringify(point.attributes)}: ${fault}`)
        if (found.length === most) return found
      }
    }
  }
  return found
}

function* faultsOf(point: OtlpPoint, { atMs }: Received, { temporality, version, sinceMs }: Expected): Generator<string> {
  const { name, description, unit, kind, attributes, startMs, timeMs, value, whole, scope } = point
  if (scope !== `orb8 ${version}`) yield `scope ${scope}`
  if (description === '') yield 'no description'
  if (!/^(orb8|process|nodejs)(\.[a-z0-9]+)+$/.test(name) || /\.(total|seconds|ratio|celsius)$/.test(name)) yield 'no such name'
  if (name.startsWith('orb8.') && unit === '') yield 'no unit'
  if (point.temporality !== (kind === 'gauge' ? '' : temporality)) yield `temporality ${point.temporality}`
  if (point.monotonic !== (kind === 'sum')) yield 'not monotonic'
  if (kind !== 'histogram' && whole !== /^(By|\{\w+\})$/.test(unit)) yield `${unit} as ${whole ? 'an integer' : 'a double'}`
  if (!(value >= 0) && name !== 'nodejs.external.memory.bytes') yield `value ${value}`
  if (!(timeMs <= atMs + SKEW_MS && timeMs > sinceMs)) yield `time ${timeMs}`
  const earliestMs = OF_DEVICES.test(name) && temporality === 'cumulative' ? Date.now() - uptime() * 1000 - BOOT_MINUTE_MS : sinceMs
  if (kind === 'gauge' ? startMs !== 0 : !(startMs >= earliestMs && startMs <= timeMs)) yield `start ${startMs}, time ${timeMs}`
  for (const [key, said] of Object.entries(attributes)) if (said === '') yield `${key} is empty`
  if (kind === 'histogram') yield* bucketFaults(point)
  const traffic = TRAFFIC[name]
  if (traffic !== undefined) yield* trafficFaults(point, traffic)
}

function* bucketFaults({ counts, bounds, count, value }: OtlpPoint): Generator<string> {
  if (counts.length !== bounds.length + 1) yield `${counts.length} buckets, ${bounds.length} bounds`
  if (counts.some((one) => one < 0) || counts.reduce((sum, one) => sum + one, 0) !== count) yield `count ${count}`
  if (bounds.some((bound, index) => bound <= (bounds[index - 1] ?? 0))) yield `bounds ${bounds}`
  if (count === 0 && value !== 0) yield `a sum of ${value} without a count`
}

function* trafficFaults({ name, kind, unit, attributes, bounds }: OtlpPoint, [wanted, its]: readonly [Kind, string]): Generator<string> {
  if (kind !== wanted || unit !== its) yield `${kind} in ${unit}`
  for (const key of Object.keys(attributes)) if (!ATTRIBUTES.has(key)) yield `attribute ${key}`
  const { 'network.io.direction': direction = '', 'server.port': port = 0 } = attributes
  const directed = /\.(flow|network)\.(bytes|packets)$/.test(name)
  if (directed !== /^(transmit|receive)$/.test(String(direction))) yield `direction ${direction}`
  if (!Number.isInteger(port)) yield `port ${JSON.stringify(port)}`
  if (kind === 'histogram' && JSON.stringify(bounds) !== JSON.stringify(TIMES)) yield `bounds ${bounds}`
}
