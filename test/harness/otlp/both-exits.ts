// The same numbers from both exits: a scrape's samples and a collector's points under keys that can be compared, by the contract's
// section 7. Written apart from the exporter's own table of names.
import type { Scrape } from '../exposition.ts'
import type { OtlpPoint } from './points.ts'

const LABELS: Readonly<Record<string, string>> = {
  'k8s.namespace.name': 'namespace',
  'k8s.pod.name': 'pod',
  'k8s.container.name': 'container',
  'orb8.workload.name': 'workload',
  'orb8.workload.kind': 'workload_kind',
  'network.io.direction': 'direction',
  'network.transport': 'protocol',
  'server.port': 'port',
  'orb8.role': 'role',
  'orb8.peer.kind': 'peer_kind',
  'orb8.peer.namespace': 'peer_namespace',
  'orb8.peer.workload': 'peer_workload',
  'orb8.peer.zone': 'peer_zone',
  'orb8.gpu.index': 'gpu',
  'orb8.rdma.device': 'device',
  'orb8.rdma.port': 'port',
}
const DIRECTIONS: Readonly<Record<string, string>> = { transmit: 'egress', receive: 'ingress' }
const SUFFIXES: Readonly<Record<string, string>> = {
  ...{ s: '_seconds', W: '_watts', J: '_joules', Cel: '_celsius', Hz: '_hertz', 'By/s': '_per_second' },
}
/** Of what has no unit the name tells a share from a number. */
const SHARE = /^orb8\.gpu\.(\w+\.)?(utilization|active)$/

type Labels = Readonly<Record<string, string>>

const key = (name: string, labels: Labels): string => {
  const { le, ...others } = labels
  // One number has several ways to be written.
  const bound = le === undefined ? {} : { le: String(Number(le.replace('+Inf', 'Infinity'))) }
  const pairs = Object.entries({ ...others, ...bound }).filter(([, value]) => value !== '')
  return `${name}{${pairs
    .map(([label, value]) => `${label}=${value}`)
    .sort()
    .join(',')}}`
}

function labelsOf({ attributes }: OtlpPoint): Labels {
  return Object.fromEntries(
    Object.entries(attributes).map(([name, value]) => {
      const label = LABELS[name] ?? name.replace(/^orb8\./, '').replaceAll('.', '_')
      return [label, label === 'direction' ? (DIRECTIONS[String(value)] ?? `?${value}`) : String(value)]
    }),
  )
}

/** Samples as a scrape has them, histograms by bucket. */
export function samplesOfPoints(points: readonly OtlpPoint[]): Map<string, number> {
  const samples = new Map<string, number>()
  const put = (name: string, labels: Labels, value: number): void => {
    const at = key(name, labels)
    if (samples.has(at)) throw new Error(`${at} comes twice`)
    samples.set(at, value)
  }
  for (const point of points) {
    const unit = SHARE.test(point.name) ? '_ratio' : (SUFFIXES[point.unit] ?? '')
    const base = point.name.replaceAll('.', '_')
    const name = `${base.endsWith(unit) ? base : `${base}${unit}`}${point.monotonic ? '_total' : ''}`
    const labels = labelsOf(point)
    if (point.kind !== 'histogram') {
      put(name, labels, point.value)
      continue
    }
    let below = 0
    for (const [index, count] of point.counts.entries()) {
      below += count
      put(`${name}_bucket`, { ...labels, le: String(point.bounds[index] ?? '+Inf') }, below)
    }
    put(`${name}_count`, labels, point.count)
    put(`${name}_sum`, labels, point.value)
  }
  return samples
}

export function samplesOfScrape(scrape: Scrape, only: RegExp = /^/): Map<string, number> {
  return new Map(scrape.samples.filter(({ name }) => only.test(name)).map(({ name, labels, value }) => [key(name, labels), value]))
}
