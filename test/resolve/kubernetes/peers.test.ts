import t from 'tap'
import { type Prefix, parseAddress, parsePrefix, UNSPECIFIED } from '../../../src/address.ts'
import type { Address, FlowKey, PeerClass, Role } from '../../../src/model.ts'
import { stripNode } from '../../../src/resolve/kubernetes/node.ts'
import { Nodes } from '../../../src/resolve/kubernetes/nodes.ts'
import { stripOwnPod } from '../../../src/resolve/kubernetes/own-pod.ts'
import { OwnPods } from '../../../src/resolve/kubernetes/own-pods.ts'
import { stripPeerPod } from '../../../src/resolve/kubernetes/peer-pod.ts'
import { PeerPods } from '../../../src/resolve/kubernetes/peer-pods.ts'
import type { PeerScope } from '../../../src/resolve/kubernetes/peer-scope.ts'
import { Peers } from '../../../src/resolve/kubernetes/peers.ts'
import { PublicPrefixes } from '../../../src/resolve/kubernetes/public-prefixes.ts'
import { stripService } from '../../../src/resolve/kubernetes/service.ts'
import { Services } from '../../../src/resolve/kubernetes/services.ts'
import { createPeerOf, type Peer } from '../../../src/resolve/peer.ts'
import { aUid, type RawPod, rawPod } from './raw.ts'

const address = (text: string): Address => parseAddress(text) as Address

/** Two nodes, a few pods and Services, as one sees them from the node named `one`. */
function world({ scope = 'cluster' as PeerScope | undefined, peerNodes = false, hosts = '127.0.0.1 10.0.0.1 172.17.0.1' } = {}) {
  const prefixes = new PublicPrefixes()
  const book = { nowMs: () => 0 }
  const [ownPods, peerPods] = [new OwnPods(book, prefixes), new PeerPods(book, prefixes)]
  const [services, nodes] = [new Services(prefixes), new Nodes(prefixes)]
  const peers = new Peers({ nodeName: 'one', peerNodes, ownPods, peerPods, services, nodes })
  if (scope !== undefined) peers.scope = scope
  const own = hosts.split(' ').map(address)
  const hostAddresses = { has: (one: Address) => own.includes(one) }
  const networks = [{ name: 'office', prefix: parsePrefix('10.0.0.0/8') as Prefix }]
  const peerOf = createPeerOf({ hostAddresses, cluster: peers, networks: networks.filter(() => scope !== undefined) })

  const putNode = (name: string, zone: string, ips: readonly string[], ranges: readonly string[] = []): void => {
    const raw = {
      metadata: { uid: name, name, labels: { 'topology.kubernetes.io/zone': zone } },
      spec: { podCIDRs: ranges },
      status: { addresses: ips.map((ip) => ({ type: 'InternalIP', address: ip })) },
    }
    const node = stripNode(raw)
    if (node !== undefined) nodes.put(node)
  }
  const putPod = (raw: RawPod): void => {
    const all = rawPod(raw)
    const [mine, peer] = [raw.node === 'one' ? stripOwnPod(all) : undefined, scope === 'cluster' ? stripPeerPod(all) : undefined]
    if (mine !== undefined) ownPods.put(mine)
    if (peer !== undefined) peerPods.put(peer)
  }
  const putService = (name: string, spec: object, ingress: readonly string[] = []): void => {
    const status = { loadBalancer: { ingress: ingress.map((ip) => ({ ip })) } }
    const service = stripService({ metadata: { uid: aUid(), name, namespace: 'shop' }, spec, status })
    if (service !== undefined) services.put(service)
  }
  const synced = (): void => {
    for (const sink of [ownPods, peerPods, services, nodes]) sink.listed()
  }
  /** `kind namespace/workload zone` of who is at the other end. */
  const at = (
    remote: string,
    { port = 80, role = 'client' as Role, local = '10.244.1.5', protocol = 6, peer = 'address' as PeerClass } = {},
  ): string => {
    const key: FlowKey = {
      id: '',
      cgroup: 1n,
      local: address(local),
      remote: remote === '' ? UNSPECIFIED : address(remote),
      peer,
      network: 0,
      port,
      protocol,
      role,
    }
    return shown(peerOf(key))
  }
  return { peers, ownPods, peerPods, services, nodes, peerOf, putNode, putPod, putService, synced, at }
}

const shown = ({ peerKind, peerNamespace, peerWorkload, peerZone }: Peer): string =>
  `${peerKind} ${peerNamespace}/${peerWorkload} ${peerZone}`.trimEnd()

function cluster(options: Parameters<typeof world>[0] = {}) {
  const made = world(options)
  made.putNode('one', 'a', ['10.0.0.1'], ['10.244.1.0/24', 'fd00:1::/64'])
  made.putNode('two', 'b', ['10.0.0.2', 'fd00::2'], ['10.244.2.0/24', 'fd00:2::/64'])
  made.putPod({ node: 'one', ips: ['10.244.1.5', 'fd00:1::5'], owner: ['StatefulSet', 'web'] })
  made.putPod({ node: 'two', ips: ['10.244.2.6', 'fd00:2::6'], owner: ['DaemonSet', 'agent'], namespace: 'ops' })
  made.putPod({ node: 'two', ips: ['10.0.0.2'], owner: ['DaemonSet', 'proxy'], hostNetwork: true })
  made.putService('api', { clusterIPs: ['10.96.0.1', 'fd00:96::1'], ports: [{ port: 80, nodePort: 30080 }] }, ['203.0.113.7'])
  made.putService('traefik', { clusterIPs: ['10.96.0.2'], ports: [{ port: 443 }] }, ['10.0.0.2'])
  made.putService('headless', { clusterIP: 'None', clusterIPs: ['None'], ports: [{ port: 5432 }] })
  made.synced()
  return made
}

t.test('pods of both families with their zones, a hostNetwork pod as its node', async (t) => {
  const { at } = cluster()
  t.equal(at('10.244.2.6'), 'pod ops/agent b')
  t.equal(at('fd00:2::6'), 'pod ops/agent b')
  t.equal(at('10.244.1.5', { local: '10.244.1.9' }), 'pod shop/web a')
  t.equal(at('10.0.0.2'), 'node / b')
  t.equal(at('fd00::2'), 'node / b')
  t.equal(at('10.0.0.1'), 'node / a', "this node's own address")
  t.equal(at('172.17.0.1'), 'node / a', 'also one that Kubernetes does not know of')
})

t.test('a node by its name where that is wanted', async (t) => {
  const { at } = cluster({ peerNodes: true })
  t.equal(at('10.0.0.2'), 'node /two b')
  t.equal(at('172.17.0.1'), 'node /one a')
})

t.test('a Service by its cluster address, whatever the port', async (t) => {
  const { at } = cluster()
  for (const remote of ['10.96.0.1', 'fd00:96::1']) t.equal(at(remote, { port: 9999 }), 'service shop/api')
  t.equal(at('10.96.0.1', { protocol: 1, port: 0, role: 'unknown' }), 'service shop/api', 'a ping')
})

t.test('a Service by a port of any node, for who dials it only', async (t) => {
  const { at } = cluster()
  for (const remote of ['10.0.0.2', '10.0.0.1', '172.17.0.1', 'fd00::2']) t.equal(at(remote, { port: 30080 }), 'service shop/api', remote)
  t.equal(at('10.0.0.2', { port: 30080, role: 'server' }), 'node / b', 'a node that dials our port 30080')
  t.equal(at('10.0.0.2', { port: 30080, protocol: 17 }), 'node / b')
  t.equal(at('10.244.2.6', { port: 30080 }), 'pod ops/agent b')
})

t.test("a load balancer's address is the Service's, unless it is a node's: then by its ports", async (t) => {
  const { at } = cluster()
  t.equal(at('203.0.113.7', { port: 80 }), 'service shop/api')
  t.equal(at('203.0.113.7', { port: 9999 }), 'service shop/api')
  t.equal(at('10.0.0.2', { port: 443 }), 'service shop/traefik')
  t.equal(at('10.0.0.2', { port: 443, role: 'server' }), 'node / b')
  t.equal(at('10.0.0.2', { port: 22 }), 'node / b')
})

t.test('cluster addresses that IPVS gives to the host stay Services', async (t) => {
  const { at } = cluster({ hosts: '127.0.0.1 10.0.0.1 10.96.0.1' })
  t.equal(at('10.96.0.1'), 'service shop/api')
  t.equal(at('10.96.0.1', { local: '10.96.0.1' }), 'service shop/api')
})

t.test('an exporter in a pod of its own: its address is a pod’s, not the host’s', async (t) => {
  const { at } = cluster({ hosts: '127.0.0.1 10.244.1.5' })
  t.equal(at('10.244.1.5', { local: '10.244.1.9' }), 'pod shop/web a')
  t.equal(at('10.244.1.5', { local: '10.244.1.5' }), 'loopback /')
})

t.test('loopback, the host with itself, and nothing at all', async (t) => {
  const { at } = cluster()
  t.equal(at('127.0.0.53'), 'loopback /')
  t.equal(at('::1'), 'loopback /')
  t.equal(at('172.17.0.1', { local: '10.0.0.1' }), 'loopback /')
  t.equal(at(''), 'unknown /')
})

t.test('what a host with IPVS dials is its own address: the Service all the same', async (t) => {
  const { at } = cluster({ hosts: '127.0.0.1 10.0.0.1 10.96.0.1' })
  const own = (local: string, more = {}): string => at('', { local, peer: 'loopback', ...more })
  t.equal(own('10.96.0.1'), 'service shop/api')
  t.equal(own('10.0.0.1', { port: 30080 }), 'service shop/api', 'and by a node port')
  t.equal(own('10.0.0.1', { port: 22 }), 'loopback /')
  t.equal(own('10.0.0.1', { port: 30080, role: 'server' }), 'loopback /')
  t.equal(own('10.244.1.5'), 'loopback /')
  t.equal(own('::'), 'loopback /')
})

t.test('a pod that is not known by name is a pod by its range, with the zone of the node that has it', async (t) => {
  const { at } = cluster()
  t.equal(at('10.244.2.99'), 'pod / b')
  t.equal(at('fd00:2::99'), 'pod / b')
})

t.test('where pods do not keep to the ranges these give no zones', async (t) => {
  const { at, putPod } = cluster()
  putPod({ node: 'one', ips: ['10.244.2.50'], owner: ['StatefulSet', 'far'] })
  t.equal(at('10.244.2.99'), 'pod /')
  t.equal(at('10.244.2.50'), 'pod shop/far a')
})

t.test('the cluster comes before named networks, these before the rest', async (t) => {
  const { at } = cluster()
  t.equal(at('10.244.2.6'), 'pod ops/agent b')
  t.equal(at('10.7.7.7'), 'external /office')
  t.equal(at('8.8.8.8'), 'external /')
  t.equal(at('192.168.1.1'), 'external /', 'all pods are known: it is none')
})

t.test("services: this node's pods by name, others by range, and no word on private addresses where pods keep to none", async (t) => {
  const { at, putPod } = cluster({ scope: 'services' })
  t.equal(at('10.244.1.5', { local: '10.244.1.9' }), 'pod shop/web a')
  t.equal(at('10.244.2.6'), 'pod / b')
  t.equal(at('10.96.0.1'), 'service shop/api')
  t.equal(at('10.0.0.2'), 'node / b')
  t.equal(at('192.168.1.1'), 'external /', 'pods have addresses in ranges here')
  putPod({ node: 'one', ips: ['192.168.7.7'] })
  t.equal(at('192.168.1.1'), 'unknown /', 'it may be a pod of another node')
  t.equal(at('10.7.7.7'), 'external /office')
  t.equal(at('8.8.8.8'), 'external /')
})

t.test('off: as without Kubernetes', async (t) => {
  const { at } = cluster({ scope: 'off', peerNodes: true })
  t.equal(at('10.244.1.5', { local: '10.244.1.9' }), 'external /office')
  t.equal(at('10.96.0.1'), 'external /office')
  t.equal(at('10.0.0.2'), 'external /office')
  t.equal(at('10.0.0.1'), 'node /one')
  t.equal(at('192.168.1.1'), 'external /')
})

t.test('before all is listed a private address may be anything, a public one is external', async (t) => {
  const made = world({ scope: undefined })
  t.equal(made.at('192.168.1.1'), 'unknown /')
  t.equal(made.at('8.8.8.8'), 'external /')
  made.peers.scope = 'cluster'
  t.equal(made.at('192.168.1.1'), 'unknown /')
  made.synced()
  t.equal(made.at('192.168.1.1'), 'external /')
})

t.test('an answer is the same object while it stands, and every change raises the generation', async (t) => {
  const { peers, peerOf, putNode, putPod, putService } = cluster()
  const key: FlowKey = {
    id: '',
    cgroup: 1n,
    local: address('10.244.1.5'),
    remote: address('10.244.2.6'),
    peer: 'address',
    network: 0,
    port: 80,
    protocol: 6,
    role: 'client',
  }
  t.equal(peerOf(key), peerOf({ ...key, port: 81 }))
  let last = peers.generation
  for (const [what, deed] of Object.entries({
    pod: () => putPod({ node: 'two', ips: ['10.244.2.7'] }),
    'own pod': () => putPod({ node: 'one', ips: ['10.244.1.7'] }),
    service: () => putService('new', { clusterIPs: ['10.96.0.9'] }),
    node: () => putNode('two', 'c', ['10.0.0.2'], ['10.244.2.0/24']),
    scope: () => {
      peers.scope = 'services'
    },
  })) {
    deed()
    t.ok(peers.generation > last, what)
    last = peers.generation
  }
  t.equal(shown(peerOf(key)), 'pod / c', 'all pods of others are forgotten, their zone has changed')
})
