// A made-up cluster, minute by minute: two nodes with pods, Services, networks and GPUs, as their exporters would tell it. Real stores and the
// real encoder write the flows, so that their names and labels are the exporter's own; what other parts will add is made of agreed names.
import { CONNECT_FAILURES, FLOW_LABELS, type FlowLabelName } from '../../src/metrics.ts'
import type { FlowLabels, HealthCounts, MetricType, Owner, Role } from '../../src/model.ts'
import { createSelf, type Self } from '../../src/publish/self.ts'
import { encode, type Family } from '../../src/publish/text.ts'
import { createStore, type Store } from '../../src/store/store.ts'
import { METRICS } from './contract-metrics.ts'
import { parseExposition, type Sample } from './exposition.ts'

const STEP_S = 60
const DEFAULT_LABELS = ([...FLOW_LABELS, 'direction'] as FlowLabelName[]).filter((name) => name !== 'pod' && name !== 'container')

interface End extends Owner {
  readonly node: Node
}

const pod = (node: Node, namespace: string, name: string, workload: string, workloadKind: string): End => ({
  node,
  namespace,
  pod: name,
  container: 'main',
  workload,
  workloadKind,
})

type Peer = Pick<FlowLabels, 'peerKind' | 'peerNamespace' | 'peerWorkload'>

/** One kind of connection between two ends; bytes a second in both directions. */
interface Link {
  readonly client?: End
  readonly server?: End
  /** What the client dialled where it is not the server's pod, or who the server's client is where it is no pod. */
  readonly peer?: Peer
  readonly protocol?: string
  readonly port: number
  readonly up: number
  readonly down: number
  readonly rttS?: number
  readonly failures?: number
}

const external = (name = ''): Peer => ({ peerKind: 'external', peerNamespace: '', peerWorkload: name })
const service = (namespace: string, name: string): Peer => ({ peerKind: 'service', peerNamespace: namespace, peerWorkload: name })

class Node {
  readonly name: string
  readonly zone: string
  readonly store: Store
  readonly self: Self
  families: readonly Family[] = []

  constructor(name: string, zone: string, nowMs: () => number) {
    this.name = name
    this.zone = zone
    const seriesLimit = 50_000
    this.store = createStore({ flowLabels: DEFAULT_LABELS, seriesLimit, seriesIdleMs: 3_600_000, now: nowMs, startMs: nowMs() })
    this.self = createSelf({ version: '0.1.0', libbpfVersion: '1.1.2' })
  }
}

/** Text that `promtool tsdb create-blocks-from openmetrics` takes: `minutes` of scrapes, the last at `endMs`. */
export async function madeCluster(endMs: number, minutes: number): Promise<string> {
  let nowMs = endMs - minutes * STEP_S * 1000
  const nodes = [new Node('node-a', 'z1', () => nowMs), new Node('node-b', 'z2', () => nowMs)] as const
  const links = linksOf(nodes)
  const parts: string[] = []
  for (let step = 0; step <= minutes; step++) {
    nowMs = endMs - (minutes - step) * STEP_S * 1000
    for (const link of links) carry(link, step)
    for (const [index, node] of nodes.entries()) {
      drop(node, index)
      tellSelf(node, index, step, nowMs)
      node.families = devices(index, step, nowMs)
      parts.push(await scrape(node, index, nowMs))
    }
  }
  return `${parts.join('')}# EOF\n`
}

function linksOf([a, b]: readonly [Node, Node]): Link[] {
  const [web0, web1] = [pod(a, 'shop', 'web-0', 'web', 'Deployment'), pod(b, 'shop', 'web-1', 'web', 'Deployment')]
  const [api0, api1] = [pod(a, 'shop', 'api-0', 'api', 'Deployment'), pod(b, 'shop', 'api-1', 'api', 'Deployment')]
  const db = pod(b, 'data', 'postgres-0', 'postgres', 'StatefulSet')
  const dns = pod(a, 'kube-system', 'coredns-0', 'coredns', 'Deployment')
  const [train0, train1] = [pod(a, 'ml', 'train-0', 'train', 'Job'), pod(b, 'ml', 'train-1', 'train', 'Job')]
  const kubelet: End = { node: a, namespace: '', pod: '', container: '', workload: 'kubelet.service', workloadKind: 'systemd' }
  return [
    ...[web0, web1].map((server): Link => ({ server, peer: external(), port: 8080, up: 40e3, down: 900e3, rttS: 0.045 })),
    ...[web0, web1].flatMap((client, i) =>
      [api0, api1].map(
        (server): Link => ({ client, server, peer: service('shop', 'api'), port: 80, up: 30e3 + 5e3 * i, down: 200e3, rttS: 3e-4 }),
      ),
    ),
    ...[api0, api1].map((client): Link => ({ client, server: db, port: 5432, up: 12e3, down: 160e3, rttS: 6e-4 })),
    ...[api0, api1].map(
      (client): Link => ({ client, peer: external('payments'), port: 443, up: 2e3, down: 5e3, rttS: 0.02, failures: 0.4 }),
    ),
    ...[web0, web1, api0].map(
      (client): Link => ({ client, server: dns, peer: service('kube-system', 'kube-dns'), protocol: 'udp', port: 53, up: 900, down: 2e3 }),
    ),
    { client: train0, server: train1, port: 29500, up: 60e6, down: 58e6, rttS: 1e-4 },
    ...[train0, train1].map((client): Link => ({ client, peer: external('objectstore'), port: 443, up: 50e3, down: 25e6, rttS: 2e-3 })),
    { server: web0, peer: { peerKind: 'node', peerNamespace: '', peerWorkload: '' }, port: 8080, up: 100, down: 300, rttS: 1e-4 },
    { client: kubelet, peer: external(), port: 6443, up: 3e3, down: 9e3, rttS: 1e-3 },
    { client: web0, peer: { peerKind: 'loopback', peerNamespace: '', peerWorkload: '' }, port: 15000, up: 5e3, down: 5e3, rttS: 5e-5 },
  ]
}

/** Up and down over the hours, each link in its own time. */
const tide = (step: number, port: number): number => 1 + 0.4 * Math.sin(step / 9 + port)

function carry(link: Link, step: number): void {
  const { client, server, peer } = link
  const seconds = STEP_S * tide(step, link.port)
  const [up, down] = [Math.round(link.up * seconds), Math.round(link.down * seconds)]
  const towards = (end: End): Peer => ({ peerKind: 'pod', peerNamespace: end.namespace, peerWorkload: end.workload })
  if (client !== undefined) {
    const direct = peer === undefined && server !== undefined
    note(client, 'client', link, direct ? towards(server) : peer, direct ? server.node.zone : '', up, down)
  }
  if (server !== undefined) {
    note(server, 'server', link, client === undefined ? peer : towards(client), client?.node.zone ?? '', down, up)
  }
}

function note(
  { node, ...owner }: End,
  role: Role,
  link: Link,
  peer: Peer | undefined,
  peerZone: string,
  sent: number,
  received: number,
): void {
  const { protocol = 'tcp', port, rttS, failures = 0 } = link
  if (peer === undefined) throw new Error('a link with one end needs a peer')
  const labels: FlowLabels = { ...owner, role, protocol, port: String(port), ...peer, peerZone }
  const [sentPackets, receivedPackets] = [Math.ceil(sent / 1200), Math.ceil(received / 1200)]
  const isTcp = protocol === 'tcp'
  const opened = isTcp ? 30 : 0
  node.store.add({
    labels,
    attribution: owner.pod === '' ? 'host' : 'cgroup',
    counts: {
      sentBytes: sent,
      receivedBytes: received,
      sentPackets,
      receivedPackets,
      opened,
      adopted: 0,
      closed: opened,
      retransmitted: isTcp ? Math.round(sentPackets / 200) : 0,
    },
  })
  const failed = CONNECT_FAILURES.map((reason) => (reason === 'timeout' && role === 'client' ? Math.round(failures * STEP_S) : 0))
  const health: HealthCounts = {
    failed,
    rtt: times(rttS),
    connect: role === 'client' ? times(rttS) : times(),
    listenOverflows: 0,
    receiveDrops: 0,
  }
  node.store.addHealth({ labels, attribution: 'cgroup', health })
}

const BUCKETS = 12

function times(seconds?: number): HealthCounts['rtt'] {
  if (seconds === undefined) return { buckets: Array<number>(BUCKETS).fill(0), sum: 0 }
  const at = Math.min(BUCKETS - 1, Math.max(0, Math.ceil(Math.log(seconds / 16e-6) / Math.log(4))))
  const buckets = Array.from({ length: BUCKETS }, (_, i) => (i === at ? 20 : i === at + 1 ? 4 : 0))
  return { buckets, sum: 24 * seconds }
}

/** A web server that is too slow to accept, a name server that is too slow to read; and bytes that nobody owns. */
function drop(node: Node, index: number): void {
  const owner =
    index === 0 ? { namespace: 'kube-system', pod: 'coredns-0', workload: 'coredns' } : { namespace: 'shop', pod: 'web-1', workload: 'web' }
  const labels: FlowLabels = {
    ...owner,
    container: 'main',
    workloadKind: 'Deployment',
    role: 'server',
    protocol: index === 0 ? 'udp' : 'tcp',
    port: '53',
    peerKind: 'unknown',
    peerNamespace: '',
    peerWorkload: '',
    peerZone: '',
  }
  const failed = CONNECT_FAILURES.map(() => 0)
  const health = { failed, rtt: times(), connect: times(), listenOverflows: 3 * index, receiveDrops: 90 * (1 - index) }
  node.store.addHealth({ labels, attribution: 'cgroup', health })
  const nobody = { namespace: '', pod: '', container: '', workload: '', workloadKind: '' }
  const counts = {
    sentBytes: 5000,
    receivedBytes: 0,
    sentPackets: 9,
    receivedPackets: 0,
    opened: 0,
    adopted: 0,
    closed: 0,
    retransmitted: 0,
  }
  node.store.add({ labels: { ...labels, ...nobody, role: 'unknown' }, attribution: 'none', counts })
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

function family(name: string, samples: readonly (readonly [Labels, number])[]): Family {
  const metric = METRICS.get(name)
  if (metric === undefined) throw new Error(`${name} is no metric of ours`)
  const complete = (labels: Labels): Labels => Object.fromEntries(metric.labels.map((label) => [label, labels[label] ?? '']))
  const type: MetricType = metric.type
  return {
    name,
    type,
    unit: '',
    help: metric.help,
    samples: samples.map(([labels, value]) => ({ suffix: '', labels: complete(labels), value })),
  }
}

/** Node a: a training pod with two GPUs. Node b: one with one GPU, and a GPU that two pods share. */
function devices(index: number, step: number, nowMs: number): Family[] {
  const owner = { namespace: 'ml', pod: `train-${index}`, container: 'main', workload: 'train', workload_kind: 'Job' }
  const device = (gpu: number, more: Labels): Labels => ({
    gpu: String(gpu),
    gpu_uuid: `GPU-${index}${gpu}`,
    gpu_model: 'NVIDIA H100',
    ...more,
  })
  const gpus = [
    device(0, { ...owner, sharing: 'exclusive' }),
    device(1, index === 0 ? { ...owner, sharing: 'exclusive' } : { sharing: 'time_slicing' }),
  ]
  const busy = (gpu: number): number => (index === 0 ? 0.85 : 0.12) * (1 - 0.1 * gpu)
  const each = (name: string, value: (gpu: number) => number): Family =>
    family(
      `orb8_gpu_${name}`,
      gpus.map((labels, gpu) => [labels, value(gpu)]),
    )
  const sharers =
    index === 0
      ? []
      : ['infer-0', 'infer-1'].map((name) => ({
          namespace: 'ml',
          pod: name,
          container: 'main',
          workload: 'infer',
          workload_kind: 'Deployment',
        }))
  const processes = [...gpus.filter(({ pod: holder }) => holder !== undefined), ...sharers.map((sharer) => device(1, sharer))]
  return [
    each('utilization_ratio', busy),
    each('memory_used_bytes', () => 60e9),
    each('memory_total_bytes', () => 80e9),
    each('power_watts', (gpu) => 100 + 500 * busy(gpu)),
    each('temperature_celsius', (gpu) => 35 + 40 * busy(gpu)),
    each('energy_joules_total', (gpu) => (100 + 500 * busy(gpu)) * STEP_S * step),
    each('sm_active_ratio', (gpu) => busy(gpu) * 0.8),
    each('tensor_active_ratio', (gpu) => busy(gpu) * 0.4),
    each('dram_active_ratio', (gpu) => busy(gpu) * 0.5),
    each('last_xid', (gpu) => (index === 1 && gpu === 1 ? 31 : 0)),
    family(
      'orb8_gpu_pcie_bytes_per_second',
      gpus.flatMap((labels) => ['egress', 'ingress'].map((direction) => [{ ...labels, direction }, 4e8] as const)),
    ),
    family(
      'orb8_gpu_process_utilization_ratio',
      processes.map((labels) => [labels, 0.3] as const),
    ),
    family(
      'orb8_gpu_process_memory_used_bytes',
      processes.map((labels) => [labels, 20e9] as const),
    ),
    family(
      'orb8_rdma_bytes_total',
      ['egress', 'ingress'].map((direction) => [{ ...owner, device: 'mlx5_0', port: '1', direction }, 3e9 * step] as const),
    ),
    ...['pods', 'services', 'nodes'].map((resource) => family('orb8_k8s_watch_connected', [[{ resource }, 1]])),
    family('orb8_k8s_watch_reconnections_total', [[{ resource: 'pods' }, Math.floor(step / 3)]]),
    family('orb8_k8s_last_sync_timestamp_seconds', [[{ resource: 'pods' }, nowMs / 1000 - 20]]),
    family('orb8_k8s_pods_tracked', [[{}, 8]]),
    family('orb8_otlp_exports_total', [
      [{ result: 'success' }, step],
      [{ result: 'failure' }, index],
    ]),
  ]
}

async function scrape({ name, zone, store, self, families }: Node, index: number, nowMs: number): Promise<string> {
  await store.commit(nowMs)
  const stats = store.stats()
  self.series(stats.series)
  self.attributedBytes(stats.attributedBytes)
  const pages = encode(store.snapshot(nowMs), await self.families(), 'prometheus', Buffer.alloc)
  // One family of each name, as in a scrape of its own: several of them were made piece by piece.
  const more = families.flatMap((one) => [...encode(undefined, [one], 'prometheus', Buffer.alloc)].map(String))
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
