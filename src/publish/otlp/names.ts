// Names as OpenTelemetry has them: a metric's name and unit, a label's attribute. Pure words; knows no numbers.
import type { AttributeValue } from '@opentelemetry/api'
import type { Metric } from '../../model.ts'

/** Unit suffixes of Prometheus' names that go into the unit; `bytes`, `packets` and their like stay. */
const SUFFIX_UNITS: ReadonlyMap<string, string> = new Map([
  ['bytes_per_second', 'By/s'],
  ['seconds', 's'],
  ['ratio', '1'],
  ['celsius', 'Cel'],
  ['watts', 'W'],
  ['joules', 'J'],
  ['hertz', 'Hz'],
])

export interface Instrument {
  readonly name: string
  readonly unit: string
}

/** `orb8_tcp_rtt_seconds` is `orb8.tcp.rtt` in `s`, `orb8_flow_bytes_total` is `orb8.flow.bytes` in `By`. */
export function instrumentOf({ name, type, unit }: Pick<Metric, 'name' | 'type' | 'unit'>): Instrument {
  let words = type === 'counter' ? name.replace(/_total$/, '') : name
  let inferred = words.endsWith('_bytes') ? 'By' : ''
  for (const [suffix, its] of SUFFIX_UNITS) {
    if (!words.endsWith(`_${suffix}`)) continue
    // Bytes a second keep the word that they count.
    words = words.slice(0, -suffix.length - 1) + (suffix.startsWith('bytes') ? '_bytes' : '')
    inferred = its
    break
  }
  return { name: words.replaceAll('_', '.'), unit: unit === '' ? inferred : unit }
}

const ATTRIBUTES: Readonly<Record<string, string>> = {
  namespace: 'k8s.namespace.name',
  pod: 'k8s.pod.name',
  container: 'k8s.container.name',
  workload: 'orb8.workload.name',
  workload_kind: 'orb8.workload.kind',
  direction: 'network.io.direction',
  protocol: 'network.transport',
  port: 'server.port',
  role: 'orb8.role',
  peer_kind: 'orb8.peer.kind',
  peer_namespace: 'orb8.peer.namespace',
  peer_workload: 'orb8.peer.workload',
  peer_zone: 'orb8.peer.zone',
  // An attribute's name is never the beginning of another's: some backends make trees of them.
  gpu: 'orb8.gpu.index',
}
/** Of metrics whose names begin with `orb8_rdma_`: their ports are no servers'. */
const RDMA_ATTRIBUTES: Readonly<Record<string, string>> = { port: 'orb8.rdma.port', device: 'orb8.rdma.device' }

const DIRECTIONS: Readonly<Record<string, string>> = { egress: 'transmit', ingress: 'receive' }

/** The attribute of a label of one of our metrics, or undefined where it is empty. */
export function attributeOf(label: string, value: string, metric = ''): readonly [name: string, value: AttributeValue] | undefined {
  if (value === '') return undefined
  const name =
    (metric.startsWith('orb8_rdma_') ? RDMA_ATTRIBUTES[label] : undefined) ?? ATTRIBUTES[label] ?? `orb8.${label.replaceAll('_', '.')}`
  switch (label) {
    case 'direction':
      return [name, DIRECTIONS[value] ?? value]
    case 'port':
      return [name, /^\d+$/.test(value) ? Number(value) : value]
    default:
      return [name, value]
  }
}
