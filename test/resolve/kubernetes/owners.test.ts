import { existsSync, mkdirSync, readdirSync, rmdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { parseAddress } from '../../../src/address.ts'
import type { Address } from '../../../src/model.ts'
import { openCgroupIndex } from '../../../src/resolve/cgroup-index.ts'
import { type CgroupIdentity, identifyCgroup } from '../../../src/resolve/cgroup-path.ts'
import { findCgroupRoot } from '../../../src/resolve/cgroup-root.ts'
import { NodeSubtree } from '../../../src/resolve/kubernetes/node-subtree.ts'
import { type OwnPod, stripOwnPod } from '../../../src/resolve/kubernetes/own-pod.ts'
import { OwnPods } from '../../../src/resolve/kubernetes/own-pods.ts'
import { Owners } from '../../../src/resolve/kubernetes/owners.ts'
import { PodLogs } from '../../../src/resolve/kubernetes/pod-logs.ts'
import { PublicPrefixes } from '../../../src/resolve/kubernetes/public-prefixes.ts'
import { Waits } from '../../../src/resolve/kubernetes/waits.ts'
import { type RawPod, rawPod, UID } from './raw.ts'

const UID_ = UID.replaceAll('-', '_')
const HASH = '9729a196c4723b60ab401eaff722982d'
const [MAIN, SANDBOX, NODE] = ['a', 'b', 'c'].map((digit) => digit.repeat(64)) as [string, string, string]
const address = (text: string): Address => parseAddress(text) as Address
const HERE = address('192.0.2.1')
const pod = (raw: RawPod): OwnPod => stripOwnPod(rawPod(raw)) as OwnPod
const WEB = pod({ uid: UID, owner: ['StatefulSet', 'web'], ips: ['10.1.0.1'], containers: { [MAIN]: 'main' } })
const ETCD = pod({
  name: 'etcd-node-1',
  namespace: 'kube-system',
  owner: ['Node', 'node-1'],
  annotations: { 'kubernetes.io/config.mirror': HASH },
  hostNetwork: true,
  ips: ['192.0.2.1'],
  containers: { [MAIN]: 'etcd' },
})
const BURSTABLE = `/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod${UID_}.slice`

function world(t: Test, { api = true, partial = false, logs: tree = {} as Record<string, { main: Record<string, never> }> } = {}) {
  const clock = { ms: 0 }
  const nowMs = (): number => clock.ms
  const pods = new OwnPods({ nowMs }, new PublicPrefixes())
  const directory = join(t.testdir({ ...(Object.keys(tree).length > 0 && { pods: tree }) }), 'pods')
  const logs = new PodLogs({ directory, nodeName: 'node-1', nowMs })
  const inOwnRange = (one: Address): boolean => one.startsWith(address('10.1.0.0').slice(0, 15))
  const owners = new Owners({ api, pods, logs, subtree: new NodeSubtree(partial), waits: new Waits({ nowMs }), inOwnRange })
  const of = (path: string | CgroupIdentity | undefined, local = HERE, cgroup = 9n) =>
    owners.ownerOf(cgroup, typeof path === 'string' ? identifyCgroup(path) : path, local)
  return { clock, pods, logs, owners, of }
}

const named = (container: string, state = 'named') => ({
  state,
  ownership: { attribution: 'cgroup', owner: { namespace: 'shop', pod: 'web-0', container, workload: 'web', workloadKind: 'StatefulSet' } },
})

const FORMS: readonly (readonly [what: string, directory: string])[] = [
  ['containerd, systemd driver, Guaranteed', `/kubepods.slice/kubepods-pod${UID_}.slice/cri-containerd-ID.scope`],
  ['containerd, systemd driver, Burstable', `${BURSTABLE}/cri-containerd-ID.scope`],
  ['CRI-O, systemd driver', `/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod${UID_}.slice/crio-ID.scope`],
  ['CRI-O with crun', `${BURSTABLE}/crio-ID.scope/container`],
  ['cri-dockerd, systemd driver', `${BURSTABLE}/docker-ID.scope`],
  ['containerd, cgroupfs driver', `/kubepods/burstable/pod${UID}/ID`],
  ['CRI-O, cgroupfs driver', `/kubepods/besteffort/pod${UID}/crio-ID`],
  ['k3s', `/system.slice/k3s.service/kubepods/burstable/pod${UID}/ID`],
  ['kubelet by systemd, containerd not', `/system.slice/containerd.service/kubepods-burstable-pod${UID_}.slice:cri-containerd:ID`],
  ['kind, from inside', `/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod${UID_}.slice/cri-containerd-ID.scope`],
  ['kind, from the host', `/docker/${NODE}/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod${UID_}.slice/cri-containerd-ID.scope`],
  ['minikube', `/system.slice/docker-${NODE}.scope/kubepods/burstable/pod${UID}/ID`],
  ['Docker inside the pod', `${BURSTABLE}/cri-containerd-ID.scope/docker/${NODE}`],
  ['systemd inside the pod', `${BURSTABLE}/cri-containerd-ID.scope/system.slice/nginx.service`],
]

t.test('real directories of every form: the container by its name, the sandbox as the pod', async (t) => {
  const root = join((await findCgroupRoot('auto')).path, `orb8-owners-${process.pid}`)
  mkdirSync(root)
  const remove = (path: string): void => {
    for (const entry of readdirSync(path, { withFileTypes: true })) if (entry.isDirectory()) remove(join(path, entry.name))
    rmdirSync(path)
  }
  t.teardown(() => existsSync(root) && remove(root))
  for (const [what, form] of FORMS) {
    const { clock, pods, owners } = world(t)
    pods.put(WEB)
    const ids = [MAIN, SANDBOX].map((id) => {
      const path = join(root, form.replace('ID', id))
      mkdirSync(path, { recursive: true })
      return statSync(path, { bigint: true }).ino
    }) as [bigint, bigint]
    const index = await openCgroupIndex(root)
    const of = (id: bigint) => owners.ownerOf(id, index.lookup(id), HERE)
    t.match(of(ids[0]), named('main'), what)
    t.match(of(ids[1]), named('', 'waiting'), `${what}: the sandbox may be a new container`)
    clock.ms += 10_000
    t.match(of(ids[1]), named(''), `${what}: the sandbox`)
    index.close()
    remove(join(root, form.split('/')[1] as string))
  }
})

t.test("the pod's own directory, conmon's, and a static pod's by its hash", async (t) => {
  const { pods, of } = world(t)
  pods.put(WEB)
  pods.put(ETCD)
  t.match(of(BURSTABLE), named(''))
  t.match(of(`${BURSTABLE}/crio-conmon-${MAIN}.scope`), named(''))
  t.match(of(`/kubepods/burstable/pod${HASH}/${MAIN}`), {
    state: 'named',
    ownership: { owner: { pod: 'etcd-node-1', container: 'etcd', workload: 'node-1', workloadKind: 'Node' } },
  })
})

t.test('outside pods it is as the path says, the same object each time', async (t) => {
  const { of } = world(t)
  const identity = identifyCgroup('/system.slice/nginx.service')
  t.match(of(identity), {
    state: 'named',
    ownership: { attribution: 'host', owner: { workload: 'nginx.service', workloadKind: 'systemd' } },
  })
  t.equal(of(identity).ownership, of(identity).ownership)
  t.match(of(`/docker/${MAIN}`), { state: 'named', ownership: { attribution: 'cgroup', owner: { workloadKind: 'container' } } })
  t.match(of(undefined), { state: 'named', ownership: { attribution: 'none', owner: { workload: '' } } })
})

t.test('a new container waits ten seconds for its name, then goes without it, and takes it when it comes', async (t) => {
  const { clock, pods, of } = world(t)
  const path = `/kubepods/burstable/pod${UID}/${MAIN}`
  const bare = { owner: { namespace: '', pod: '', workload: MAIN.slice(0, 12), workloadKind: 'container' } }
  t.match(of(path), { state: 'waiting', ownership: bare })
  clock.ms += 9999
  t.match(of(path), { state: 'waiting' })
  clock.ms += 1
  t.match(of(path), { state: 'named', ownership: bare })
  pods.put(pod({ uid: UID, owner: ['StatefulSet', 'web'] }))
  t.match(of(path), named(''), 'the pod is known, its container is not: its time is over')
  pods.put(WEB)
  t.match(of(path), named('main'))
})

t.test('without the API the directories of logs give names at once', async (t) => {
  const { owners, of } = world(t, { api: false, logs: { [`shop_web-0_${UID}`]: { main: {} } } })
  const identity = identifyCgroup(`/kubepods/burstable/pod${UID}/${MAIN}`)
  await owners.ensure([identity, undefined, identifyCgroup('/init.scope')])
  t.match(of(identity), {
    state: 'named',
    ownership: { owner: { namespace: 'shop', pod: 'web-0', container: 'main', workload: 'web-0', workloadKind: 'Pod' } },
  })
})

t.test('without API and directories nothing waits', async (t) => {
  const { owners, of } = world(t, { api: false })
  const identity = identifyCgroup(`/kubepods/burstable/pod${UID}/${MAIN}`)
  await owners.ensure([identity])
  t.match(of(identity), { state: 'named', ownership: { owner: { workload: MAIN.slice(0, 12), workloadKind: 'container' } } })
})

t.test("where the API server does not answer, the directories' names come after ten seconds, and its own win when they come", async (t) => {
  const { clock, pods, owners, of } = world(t, { logs: { [`shop_web-0_${UID}`]: { main: {} } } })
  const identity = identifyCgroup(`/kubepods/burstable/pod${UID}/${MAIN}`)
  await owners.ensure([identity])
  t.equal(of(identity).state, 'waiting')
  clock.ms += 10_000
  t.match(of(identity), {
    state: 'named',
    ownership: { owner: { pod: 'web-0', container: 'main', workload: 'web-0', workloadKind: 'Pod' } },
  })
  const before = owners.generation
  pods.put(WEB)
  t.ok(owners.generation > before)
  t.match(of(identity), named('main'))
})

t.test('a container that the API does not know yet has its name from the directories, and the pod’s workload', async (t) => {
  const { pods, owners, of } = world(t, { logs: { [`shop_web-0_${UID}`]: { main: {} } } })
  pods.put(pod({ uid: UID, owner: ['StatefulSet', 'web'] }))
  const identity = identifyCgroup(`/kubepods/burstable/pod${UID}/${MAIN}`)
  await owners.ensure([identity])
  t.match(of(identity), named('main'))
})

t.test('a socket of no container is joined by its local address, never on the network of the host', async (t) => {
  const { pods, of } = world(t)
  pods.put(WEB)
  pods.put(ETCD)
  const byAddress = { state: 'named', ownership: { attribution: 'pod_ip', owner: { pod: 'web-0', container: '', workload: 'web' } } }
  for (const path of ['/', '/system.slice/containerd.service', undefined]) t.match(of(path, address('10.1.0.1')), byAddress, String(path))
  t.match(of('/', HERE), { ownership: { attribution: 'host', owner: { workload: '/' } } })
  t.match(of(`/docker/${NODE}`, address('10.1.0.1')), { ownership: { owner: { workloadKind: 'container' } } }, 'a container is itself')
  t.match(of(`/kubepods/pod${UID}/${MAIN}`, address('10.9.0.1')), named('main'), 'as is a pod')
})

t.test('a socket of no container with an address that pods have waits for its pod, at most ten seconds', async (t) => {
  const { clock, pods, of } = world(t)
  pods.listed()
  const [early, late] = [address('10.1.0.1'), address('10.1.0.2')]
  for (const local of [early, late]) t.match(of('/', local), { state: 'waiting', ownership: { owner: { workload: '/' } } })
  pods.put(WEB)
  t.match(of('/', early), { state: 'named', ownership: { owner: { pod: 'web-0' } } })
  clock.ms += 10_000
  t.match(of('/', late), { state: 'named', ownership: { owner: { workload: '/' } } })
  t.equal(of('/', HERE).state, 'named', 'the host’s own')
  t.equal(world(t, { api: false }).of('/', early).state, 'named', 'nobody would tell')
})

t.test('before the first list whatever is of the root’s cgroup may be a pod’s', async (t) => {
  const { pods, of } = world(t)
  t.equal(of('/', HERE).state, 'waiting')
  t.equal(of('/', address('::')).state, 'named')
  t.equal(of('/system.slice/ssh.service', HERE).state, 'named')
  pods.listed()
  t.equal(of('/', HERE).state, 'named')
})

t.test('other nodes of one kernel are left out: by what the mount shows, or by the container that a node is', async (t) => {
  const own = `/docker/${NODE}/kubepods/pod${UID}/${MAIN}`
  const other = `/docker/${SANDBOX}/kubepods/pod${UID.replace('6', '7')}/${MAIN}`
  const host = world(t)
  t.equal(host.of(other).state, 'waiting', 'before anything is known it may be a pod of this node')
  host.pods.put(WEB)
  t.match(host.of(own), named('main'))
  t.equal(host.of(other).state, 'elsewhere')
  t.equal(host.of('/system.slice/ssh.service').state, 'elsewhere')
  const inside = world(t, { partial: true })
  inside.pods.put(WEB)
  t.equal(inside.of(undefined).state, 'named')
  t.match(inside.of(`/kubelet/kubepods/pod${UID}/${MAIN}`), named('main'))
  t.equal(inside.of(undefined).state, 'elsewhere')
  t.equal(inside.of(undefined, HERE, 0n).state, 'named')
})

t.test('a cluster in a pod: each cluster’s exporter names its own pods', async (t) => {
  const path = `/kubepods/pod${UID}/${MAIN}/kubelet/kubepods/pod${UID.replace('6', '7')}/${SANDBOX}`
  const outer = world(t)
  outer.pods.put(WEB)
  t.match(outer.of(path), named('main'))
  const inner = world(t)
  inner.pods.put(pod({ uid: UID.replace('6', '7'), name: 'in-0', containers: { [SANDBOX]: 'deep' } }))
  t.match(inner.of(path), { state: 'named', ownership: { owner: { pod: 'in-0', container: 'deep' } } })
})
