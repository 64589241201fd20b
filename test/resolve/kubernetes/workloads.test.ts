import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { UNSPECIFIED } from '../../../src/address.ts'
import { identifyCgroup } from '../../../src/resolve/cgroup-path.ts'
import { createKubernetesNames } from '../../../src/resolve/kubernetes/names.ts'
import { type OwnPod, stripOwnPod } from '../../../src/resolve/kubernetes/own-pod.ts'
import { type RawPod, rawPod, UID } from './raw.ts'

const HASH = '9729a196c4723b60ab401eaff722982d'
const [MAIN, NODE, OTHER_NODE] = ['a', 'b', 'c'].map((digit) => digit.repeat(64)) as [string, string, string]
const PATH = `/kubepods/burstable/pod${UID}/${MAIN}`
const pod = (raw: RawPod): OwnPod => stripOwnPod(rawPod(raw)) as OwnPod
const WEB = pod({ uid: UID, owner: ['StatefulSet', 'web'], containers: { [MAIN]: 'main' } })
const OWNER = { namespace: 'shop', pod: 'web-0', container: 'main', workload: 'web', workloadKind: 'StatefulSet' }

/** `directories`: of pods' logs, each with one container `main`. */
function world(t: Test, { api = true, directories = [] as readonly string[] } = {}) {
  const clock = { ms: 0 }
  const root = t.testdir({})
  for (const name of directories) mkdirSync(join(root, 'pods', name, 'main'), { recursive: true })
  const names = createKubernetesNames({
    nodeName: 'node-1',
    api,
    peers: 'cluster',
    peerNodes: false,
    podLogsDirectory: join(root, 'pods'),
    partialRoot: false,
    nowMs: () => clock.ms,
  })
  const later = (ms: number): void => {
    clock.ms += ms
    names.collecting()
  }
  return { names, later, workloads: names.workloads }
}

const WANTED = { paths: [PATH, ''], pods: [{ namespace: 'shop', pod: 'web-0' }] }

t.test('what a pod holds and what its process does have one owner, as the API tells of it', async (t) => {
  const { names, workloads } = world(t)
  names.podSink.put(WEB)
  await workloads.ensure(WANTED)
  t.strictSame(workloads.ofPod('shop', 'web-0', 'main'), OWNER)
  t.equal(workloads.ofCgroup(9n, PATH), workloads.ofPod('shop', 'web-0', 'main'))
  t.strictSame(workloads.ofPod('shop', 'web-0', ''), { ...OWNER, container: '' }, 'several containers of one pod')
})

t.test('a pod that the API has not told of yet goes by its name, its process by its container, and none of them waits', async (t) => {
  const { names, workloads } = world(t)
  await workloads.ensure(WANTED)
  t.strictSame(workloads.ofPod('shop', 'web-0', 'main'), { ...OWNER, workload: 'web-0', workloadKind: 'Pod' })
  t.match(workloads.ofCgroup(9n, PATH), { workload: MAIN.slice(0, 12), workloadKind: 'container', pod: '' })
  t.equal(names.counts().waitsRefused, 0)
  names.podSink.put(pod({ uid: UID, owner: ['StatefulSet', 'web'] }))
  t.match(workloads.ofCgroup(9n, PATH), { pod: 'web-0', container: '', workload: 'web' }, 'its container is not known yet')
})

t.test('a pod keeps its names for ten minutes after it has gone; another of its name takes them', async (t) => {
  const { names, later, workloads } = world(t)
  names.podSink.put(WEB)
  names.podSink.remove(WEB)
  later(599_000)
  t.strictSame(workloads.ofPod('shop', 'web-0', 'main'), OWNER)
  const next = pod({ uid: UID.replace('6', '7'), owner: ['Job', 'web'] })
  names.podSink.put(next)
  t.match(workloads.ofPod('shop', 'web-0', 'main'), { workload: 'web', workloadKind: 'Job' })
  names.podSink.remove(next)
  t.match(workloads.ofPod('shop', 'web-0', 'main'), { workloadKind: 'Job' }, 'the last that went')
  names.podSink.put(WEB)
  t.match(workloads.ofPod('shop', 'web-0', 'main'), { workloadKind: 'StatefulSet' }, 'back from a list that lags')
  names.podSink.remove(WEB)
  later(599_000)
  names.podSink.put(next)
  names.podSink.remove(next)
  later(2000)
  t.match(workloads.ofPod('shop', 'web-0', 'main'), { workloadKind: 'Job' }, 'the first is forgotten, the last is not')
  later(601_000)
  t.match(workloads.ofPod('shop', 'web-0', 'main'), { workload: 'web-0', workloadKind: 'Pod' })
})

t.test('without the API the directories of logs give names', async (t) => {
  const { workloads } = world(t, { api: false, directories: [`shop_web-0_${UID}`, `kube-system_dcgm-node-1_${HASH}`] })
  await workloads.ensure(WANTED)
  t.strictSame(workloads.ofPod('shop', 'web-0', 'main'), { ...OWNER, workload: 'web-0', workloadKind: 'Pod' })
  t.equal(workloads.ofCgroup(9n, PATH), workloads.ofPod('shop', 'web-0', 'main'))
  t.match(workloads.ofPod('kube-system', 'dcgm-node-1', 'main'), { workload: 'node-1', workloadKind: 'Node' }, 'a static pod')
})

t.test('a pod that nobody knows is looked for among the directories once a second', async (t) => {
  const { later, workloads } = world(t, { api: false, directories: [`shop_web-0_${UID}`] })
  await workloads.ensure({ paths: [], pods: WANTED.pods })
  mkdirSync(join(t.testdirName, 'pods', `kube-system_dcgm-node-1_${HASH}`))
  const wanted = { paths: [], pods: [{ namespace: 'kube-system', pod: 'dcgm-node-1' }] }
  await workloads.ensure(wanted)
  t.match(workloads.ofPod('kube-system', 'dcgm-node-1', ''), { workloadKind: 'Pod' })
  later(1000)
  await workloads.ensure(wanted)
  t.match(workloads.ofPod('kube-system', 'dcgm-node-1', ''), { workloadKind: 'Node' })
})

t.test('processes of the host go by their unit, those of nowhere by nothing', async (t) => {
  const { workloads } = world(t)
  t.match(workloads.ofCgroup(9n, '/system.slice/train.service'), { workload: 'train.service', workloadKind: 'systemd' })
  t.match(workloads.ofCgroup(0n, ''), { workload: '', workloadKind: '' })
})

t.test(
  'a process of another node is left out, where nodes are containers of one host, unless its path may be read from elsewhere',
  async (t) => {
    const { names, workloads } = world(t)
    names.podSink.put(WEB)
    const below = (node: string, uid = UID): string => `/docker/${node}/kubepods/burstable/pod${uid}/${MAIN}`
    const other = below(OTHER_NODE, UID.replace('6', '7'))
    t.match(workloads.ofCgroup(9n, other), { workloadKind: 'container' }, 'before this node is known')
    names.owners.ownerOf(9n, identifyCgroup(below(NODE)), UNSPECIFIED)
    t.match(workloads.ofCgroup(9n, below(NODE)), OWNER)
    t.equal(workloads.ofCgroup(9n, other), undefined)
    t.match(workloads.ofCgroup(0n, PATH), OWNER, 'seen from another namespace of cgroups')
    await workloads.ensure({ paths: [PATH], pods: [] })
    t.equal(workloads.ofCgroup(9n, other), undefined, 'such a path teaches nothing of nodes')
  },
)
