import { existsSync, mkdirSync, rmdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { type Prefix, parseAddress, parsePrefix, UNSPECIFIED } from '../../src/address.ts'
import type { Address, FlowKey, FlowLabels, PeerClass, PeerKind } from '../../src/model.ts'
import { openCgroupIndex } from '../../src/resolve/cgroup-index.ts'
import { type CgroupIdentity, identifyCgroup } from '../../src/resolve/cgroup-path.ts'
import { findCgroupRoot } from '../../src/resolve/cgroup-root.ts'
import { createResolver, type ResolverSources } from '../../src/resolve/flows.ts'
import type { OwnerAnswer } from '../../src/resolve/owner.ts'
import type { ClusterPeers, Peer } from '../../src/resolve/peer.ts'

const CONTAINER = 'c0ffee'.padEnd(64, '0')
const POD = '6fa1c7a2-91d5-4c0e-8a51-0d3c7f2b9e44'
const address = (text: string): Address => parseAddress(text) as Address
const prefix = (text: string): Prefix => parsePrefix(text) as Prefix

let keys = 0
const aKey = (change: Partial<FlowKey> = {}): FlowKey => ({
  id: `key ${keys++}`,
  cgroup: 10n,
  local: address('192.0.2.1'),
  remote: address('198.51.100.7'),
  peer: 'address',
  network: 0,
  port: 443,
  protocol: 6,
  role: 'client',
  ...change,
})

const PATHS: Record<string, string> = {
  10: '/system.slice/web.service',
  11: `/system.slice/docker-${CONTAINER}.scope`,
  12: '/batch/job',
  13: `/kubepods/pod${POD}/${CONTAINER}`,
  14: `/kubepods/pod${POD}`,
}

function world(change: Partial<ResolverSources> = {}) {
  const identities = new Map<bigint, CgroupIdentity>(Object.entries(PATHS).map(([id, path]) => [BigInt(id), identifyCgroup(path)]))
  const own = new Set(['127.0.0.1', '::1', '192.0.2.1', '192.0.2.2', '2001:db8::1'].map(address))
  const hostAddresses = { generation: 0, has: (one: Address) => own.has(one) }
  const networks = [
    { name: 'office', prefix: prefix('10.0.0.0/8') },
    { name: 'lab', prefix: prefix('10.7.0.0/16') },
    { name: 'docs', prefix: prefix('2001:db8:f::/48') },
  ]
  const resolver = createResolver({ cgroups: { lookup: (id) => identities.get(id) }, networks, hostAddresses, ...change })
  const labels = (key: Partial<FlowKey> = {}): FlowLabels => resolver.name(aKey(key)).labels
  return { resolver, identities, own, hostAddresses, labels }
}

t.test("a flow's labels, all of them", async (t) => {
  const { resolver } = world()
  const resolved = resolver.name(aKey())
  t.strictSame(resolved.labels, {
    namespace: '',
    pod: '',
    container: '',
    workload: 'web.service',
    workloadKind: 'systemd',
    role: 'client',
    protocol: 'tcp',
    port: '443',
    peerKind: 'external',
    peerNamespace: '',
    peerWorkload: '',
    peerZone: '',
  })
})

t.test('the owner is the container, else the unit, else the path, else nobody', async (t) => {
  const { resolver } = world()
  for (const [cgroup, workload, workloadKind, attribution] of [
    [10n, 'web.service', 'systemd', 'host'],
    [11n, 'c0ffee000000', 'container', 'cgroup'],
    [12n, '/batch/job', 'cgroup', 'host'],
    [13n, 'c0ffee000000', 'container', 'cgroup'],
    [14n, `/kubepods/pod${POD}`, 'cgroup', 'cgroup'],
    [99n, '', '', 'none'],
    [0n, '', '', 'none'],
  ] as const) {
    const resolved = resolver.name(aKey({ cgroup }))
    t.match(resolved, { attribution, labels: { workload, workloadKind, namespace: '', pod: '', container: '', port: '443' } }, `${cgroup}`)
  }
})

t.test('the peer', async (t) => {
  const { labels } = world()
  const table: [string, string, PeerClass, number, PeerKind, string][] = [
    ['192.0.2.1', '192.0.2.1', 'address', 0, 'loopback', ''],
    ['172.17.0.2', '172.17.0.2', 'address', 0, 'loopback', ''],
    ['192.0.2.1', '192.0.2.2', 'address', 0, 'loopback', ''],
    ['192.0.2.1', '127.0.0.53', 'address', 0, 'loopback', ''],
    ['fe80::5', '::1', 'address', 0, 'loopback', ''],
    ['172.17.0.2', '127.9.9.9', 'address', 0, 'loopback', ''],
    ['172.17.0.2', '192.0.2.1', 'address', 0, 'node', ''],
    ['fd00::2', '2001:db8::1', 'address', 0, 'node', ''],
    ['192.0.2.1', '10.1.0.1', 'address', 0, 'external', 'office'],
    ['192.0.2.1', '10.7.0.1', 'address', 0, 'external', 'lab'],
    ['2001:db8::1', '2001:db8:f::1', 'address', 0, 'external', 'docs'],
    ['192.0.2.1', '172.17.0.2', 'address', 0, 'external', ''],
    ['192.0.2.1', '128.0.0.1', 'address', 0, 'external', ''],
    ['192.0.2.1', '0.0.0.0', 'address', 0, 'external', ''],
    ['192.0.2.1', '::', 'address', 0, 'unknown', ''],
    ['::', '::', 'none', 0, 'unknown', ''],
    ['192.0.2.1', '::', 'loopback', 0, 'loopback', ''],
    ['192.0.2.1', '::', 'external', 0, 'external', ''],
    ['192.0.2.1', '::', 'network', 2, 'external', 'docs'],
    ['192.0.2.1', '::', 'network', 9, 'external', ''],
  ]
  for (const [local, remote, peer, network, peerKind, peerWorkload] of table) {
    const found = labels({ local: address(local), remote: address(remote), peer, network })
    t.match(found, { peerKind, peerWorkload, peerNamespace: '', peerZone: '' }, `${local} -> ${remote} ${peer} ${network}`)
  }
})

t.test('protocols by name, others by number; no port is port 0', async (t) => {
  const { labels } = world()
  for (const [protocol, name] of [
    [6, 'tcp'],
    [17, 'udp'],
    [1, 'icmp'],
    [58, 'icmp6'],
    [132, 'sctp'],
    [47, '47'],
  ] as const) {
    t.equal(labels({ protocol }).protocol, name)
  }
  t.match(labels({ protocol: 1, port: 0, role: 'unknown' }), { port: '0', role: 'unknown' })
})

t.test('what overflowed keeps its owner and protocol; the last resort keeps nothing', async (t) => {
  const { resolver, labels } = world()
  t.match(labels({ peer: 'overflow', cgroup: 11n, protocol: 17, port: 53, remote: UNSPECIFIED }), {
    workload: 'c0ffee000000',
    workloadKind: 'container',
    role: 'unknown',
    protocol: 'udp',
    port: '0',
    peerKind: 'overflow',
    peerWorkload: '',
  })
  const last = resolver.name(aKey({ peer: 'node_overflow' }))
  const { peerKind, ...others } = last.labels
  t.equal(peerKind, 'overflow')
  t.strictSame(new Set(Object.values(others)), new Set(['']))
  t.equal(last.attribution, 'none')
})

t.test('one key has one labels object while the answer stands, and keys that read alike share it', async (t) => {
  const { resolver, labels } = world()
  const key = aKey()
  const first = resolver.name(key).labels
  t.equal(resolver.name({ ...key }).labels, first)
  t.equal(labels({ remote: address('198.51.100.8') }), first, 'another address outside')
  t.not(labels({ port: 80 }), first)
  const nobody = labels({ cgroup: 98n })
  t.equal(labels({ cgroup: 99n }), nobody, 'also those of nobody')
})

t.test('an answer falls when the cgroup gets a name, and not when another does', async (t) => {
  const { resolver, identities } = world()
  const unknown = aKey({ cgroup: 77n })
  const known = aKey()
  const before = resolver.name(known).labels
  t.equal(resolver.name(unknown).labels.workload, '')
  identities.set(77n, identifyCgroup('/late.service'))
  t.match(resolver.name(unknown), { attribution: 'host', labels: { workload: 'late.service' } })
  t.equal(resolver.name(known).labels, before)
  identities.delete(77n)
  t.equal(resolver.name(unknown).labels.workload, '')
})

t.test("an answer falls when the host's addresses change", async (t) => {
  const { resolver, own, hostAddresses } = world()
  const key = aKey({ local: address('172.17.0.2') })
  t.equal(resolver.name(key).labels.peerKind, 'external')
  own.add(key.remote)
  t.equal(resolver.name(key).labels.peerKind, 'external', 'not before the generation says so')
  hostAddresses.generation++
  t.equal(resolver.name(key).labels.peerKind, 'node')
})

const POD_OWNER: OwnerAnswer = {
  ownership: {
    owner: { namespace: 'shop', pod: 'web-0', container: 'main', workload: 'web', workloadKind: 'Deployment' },
    attribution: 'cgroup',
  },
  state: 'named',
}
const POD_PEER: Peer = { peerKind: 'pod', peerNamespace: 'ops', peerWorkload: 'agent', peerZone: 'b' }

function named() {
  const says = { generation: 0, owner: POD_OWNER, peer: POD_PEER as Peer | undefined, asked: 0 }
  const owners = {
    get generation() {
      return says.generation
    },
    ownerOf: () => {
      says.asked++
      return says.owner
    },
  }
  const cluster: ClusterPeers = {
    generation: 0,
    service: () => undefined,
    nodeOrPod: () => says.peer,
    thisNode: () => POD_PEER,
    inPodRange: () => undefined,
    mayBePod: () => false,
  }
  return { says, ...world({ owners, cluster }) }
}

t.test('who knows more names the owner and the peer', async (t) => {
  const { resolver } = named()
  const { labels, attribution, state } = resolver.name(aKey())
  t.match(labels, { namespace: 'shop', pod: 'web-0', container: 'main', workload: 'web', workloadKind: 'Deployment' })
  t.match(labels, { peerKind: 'pod', peerNamespace: 'ops', peerWorkload: 'agent', peerZone: 'b' })
  t.strictSame([attribution, state], ['cgroup', 'named'])
  const last = resolver.name(aKey({ peer: 'node_overflow' }))
  t.strictSame([last.labels.workload, last.attribution, last.state], ['', 'none', 'named'], 'the last resort is nobody’s')
})

t.test('an answer is asked for again when the generation rises, and keeps its labels object where it is the same', async (t) => {
  const { resolver, says } = named()
  const key = aKey()
  const first = resolver.name(key).labels
  resolver.name(key)
  t.equal(says.asked, 1)
  says.generation++
  t.equal(resolver.name(key).labels, first)
  t.equal(says.asked, 2)
  says.generation++
  says.peer = undefined
  t.equal(resolver.name(key).labels.peerKind, 'external')
})

t.test('who kept an answer gets it again while it stands, and its labels object after that, whatever the cache holds', async (t) => {
  const { resolver, says } = named()
  const key = aKey()
  const kept = resolver.name(key)
  t.equal(resolver.name({ ...key, id: 'not in the cache' }, kept), kept)
  says.generation++
  const again = resolver.name({ ...key, id: 'not in the cache' }, kept)
  t.not(again, kept)
  t.equal(again.labels, kept.labels)
  t.equal(says.asked, 2)
})

t.test('a flow that waits for its name is asked for each time', async (t) => {
  const { resolver, says } = named()
  const key = aKey()
  says.owner = { ...POD_OWNER, state: 'waiting' }
  t.equal(resolver.name(key).state, 'waiting')
  says.owner = POD_OWNER
  t.equal(resolver.name(key).state, 'named')
  says.owner = { ...POD_OWNER, state: 'elsewhere' }
  says.generation++
  t.equal(resolver.name(key).state, 'elsewhere')
})

t.test('a full cache changes no answer', async (t) => {
  const { resolver } = world({ maxEntries: 8 })
  const all = Array.from({ length: 100 }, (_, port) => aKey({ port }))
  for (let round = 0; round < 2; round++) {
    for (const key of all) {
      const { labels } = resolver.name(key)
      if (labels.port !== String(key.port) || labels.workload !== 'web.service') t.fail(key.id, { labels })
    }
  }
  const [key] = all
  if (key !== undefined) t.equal(resolver.name(key).labels, resolver.name(key).labels)
})

t.test("a real cgroup's flows keep their labels object over its end", async (t) => {
  let nowMs = 0
  const mount = (await findCgroupRoot('auto')).path
  const root = join(mount, `orb8-flows-${process.pid}`)
  const job = join(root, 'job.service')
  mkdirSync(job, { recursive: true })
  t.teardown(() => {
    for (const directory of [job, root]) if (existsSync(directory)) rmdirSync(directory)
  })
  const cgroup = statSync(job, { bigint: true }).ino
  const cgroups = await openCgroupIndex(root, { nowMs: () => nowMs })
  t.teardown(() => cgroups.close())
  const { resolver } = world({ cgroups })
  const key = aKey({ cgroup })
  const before = resolver.name(key).labels
  t.match(before, { workload: 'job.service', workloadKind: 'systemd' })
  rmdirSync(job)
  await cgroups.rescan()
  t.equal(cgroups.counts().gone, 1)
  t.equal(resolver.name(key).labels, before)
  nowMs += 600_000
  await cgroups.ensure([cgroup])
  t.equal(resolver.name(key).labels, before, 'also where it is read anew')
  nowMs += 660_001
  await cgroups.ensure([cgroup])
  t.match(resolver.name(key), { attribution: 'none', labels: { workload: '' } })
})
