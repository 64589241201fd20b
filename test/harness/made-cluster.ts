// A made-up cluster, minute by minute: two nodes with pods, Services, networks and GPUs, as their exporters would tell it. Real stores and the
// real encoder write the flows, so that their names and labels are the exporter's own. Knows who talks to whom; no metric.
import { CONNECT_FAILURES } from '../../src/metrics.ts'
import type { FlowLabels, HealthCounts, Owner, Role } from '../../src/model.ts'
import { STEP_S } from './made-devices.ts'
import { Node, scrape, tide } from './made-node.ts'

/** Connections that were open before the exporter was. */
const ADOPTED = 5

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
      parts.push(await scrape(node, index, step, nowMs))
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

function carry(link: Link, step: number): void {
  const { client, server, peer } = link
  const seconds = STEP_S * tide(step, link.port)
  const [up, down] = [Math.round(link.up * seconds), Math.round(link.down * seconds)]
  const towards = (end: End): Peer => ({ peerKind: 'pod', peerNamespace: end.namespace, peerWorkload: end.workload })
  if (client !== undefined) {
    const direct = peer === undefined && server !== undefined
    const other = { peer: direct ? towards(server) : peer, zone: direct ? server.node.zone : '' }
    note(client, 'client', link, other, { sent: up, received: down, isFirst: step === 0 })
  }
  if (server !== undefined) {
    const other = { peer: client === undefined ? peer : towards(client), zone: client?.node.zone ?? '' }
    note(server, 'server', link, other, { sent: down, received: up, isFirst: step === 0 })
  }
}

function note(
  { node, ...owner }: End,
  role: Role,
  link: Link,
  { peer, zone }: { readonly peer: Peer | undefined; readonly zone: string },
  { sent, received, isFirst }: { readonly sent: number; readonly received: number; readonly isFirst: boolean },
): void {
  const { protocol = 'tcp', port, rttS, failures = 0 } = link
  if (peer === undefined) throw new Error('a link with one end needs a peer')
  const labels: FlowLabels = { ...owner, role, protocol, port: String(port), ...peer, peerZone: zone }
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
      adopted: isTcp && isFirst ? ADOPTED : 0,
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
