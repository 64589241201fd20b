import t from 'tap'
import { parseAddress } from '../../../src/address.ts'
import type { Address } from '../../../src/model.ts'
import { type OwnPod, stripOwnPod } from '../../../src/resolve/kubernetes/own-pod.ts'
import { OwnPods } from '../../../src/resolve/kubernetes/own-pods.ts'
import { PublicPrefixes } from '../../../src/resolve/kubernetes/public-prefixes.ts'
import { type RawPod, rawPod, UID } from './raw.ts'

const HASH = '9729a196c4723b60ab401eaff722982d'
const id = (digits: string): string => digits.padEnd(64, '0')
const address = (text: string): Address => parseAddress(text) as Address
const pod = (raw: RawPod): OwnPod => stripOwnPod(rawPod(raw)) as OwnPod

function world(maxGone?: number) {
  const clock = { ms: 0 }
  const pods = new OwnPods({ nowMs: () => clock.ms, ...(maxGone !== undefined && { maxGone }) }, new PublicPrefixes())
  const later = (ms: number): void => {
    for (let n = 0; n < 2; n++) {
      clock.ms += ms / 2
      pods.collecting()
    }
  }
  return { clock, pods, later }
}

const WEB: RawPod = { uid: UID, owner: ['StatefulSet', 'web'], ips: ['10.1.0.1'], containers: { [id('a')]: 'main', [id('b')]: 'proxy' } }

t.test('a container by its id, the pod by its own directory, and what is no container of it with less certainty', async (t) => {
  const { pods } = world()
  pods.put(pod(WEB))
  const owner = { namespace: 'shop', pod: 'web-0', container: 'main', workload: 'web', workloadKind: 'StatefulSet' }
  t.strictSame(pods.lookup(UID, id('a')), { ownership: { owner, attribution: 'cgroup' }, certain: true })
  t.match(pods.lookup(UID, id('b')), { ownership: { owner: { container: 'proxy' } }, certain: true })
  t.strictSame(pods.lookup(UID), { ownership: { owner: { ...owner, container: '' }, attribution: 'cgroup' }, certain: true })
  t.match(pods.lookup(UID, id('f')), { ownership: { owner: { container: '', pod: 'web-0' } }, certain: false })
  t.equal(pods.lookup(UID.replace('6', '7')), undefined)
  t.match(pods.named(UID, 'debug'), { owner: { ...owner, container: 'debug' } })
  t.equal(pods.named(HASH, 'debug'), undefined)
})

t.test('the answer is the same object while it stands, over updates that do not touch it', async (t) => {
  const { pods } = world()
  pods.put(pod(WEB))
  const before = pods.lookup(UID, id('a'))?.ownership
  pods.put(pod({ ...WEB, containers: { ...WEB.containers, [id('c')]: 'debug' } }))
  t.equal(pods.lookup(UID, id('a'))?.ownership, before)
  pods.put(pod({ ...WEB, owner: ['StatefulSet', 'renamed'] }))
  t.match(pods.lookup(UID, id('a'))?.ownership.owner, { workload: 'renamed' })
})

t.test('a container restarted in place keeps its name under every id that it had', async (t) => {
  const { pods } = world()
  for (let n = 0; n < 20; n++) pods.put(pod({ ...WEB, containers: { [id(`${n}a`)]: 'main' } }))
  for (let n = 0; n < 20; n++) t.match(pods.lookup(UID, id(`${n}a`)), { certain: true, ownership: { owner: { container: 'main' } } })
  for (let n = 20; n < 2000; n++) pods.put(pod({ ...WEB, containers: { [id(`${n}a`)]: 'main' } }))
  t.equal(pods.lookup(UID, id('0a'))?.certain, false, 'but not for ever')
  t.equal(pods.lookup(UID, id('1999a'))?.certain, true)
})

t.test('a static pod by the hash in its cgroup, also when somebody deletes its mirror and the kubelet makes another', async (t) => {
  const { pods, later } = world()
  const raw: RawPod = {
    name: 'etcd-node-1',
    namespace: 'kube-system',
    owner: ['Node', 'node-1'],
    annotations: { 'kubernetes.io/config.hash': HASH, 'kubernetes.io/config.mirror': HASH },
    containers: { [id('a')]: 'etcd' },
    hostNetwork: true,
  }
  const owner = { namespace: 'kube-system', pod: 'etcd-node-1', container: 'etcd', workload: 'node-1', workloadKind: 'Node' }
  const [first, second] = [pod(raw), pod(raw)]
  pods.put(first)
  t.strictSame(pods.lookup(HASH, id('a'))?.ownership.owner, owner)
  pods.remove(first)
  t.strictSame(pods.lookup(HASH, id('a'))?.ownership.owner, owner, 'nobody restarts its containers for that')
  pods.put(second)
  later(1_200_000)
  t.strictSame(pods.lookup(HASH, id('a'))?.ownership.owner, owner)
  pods.put(pod({ ...raw, uid: second.uid, annotations: {} }))
  t.equal(pods.lookup(HASH, id('a')), undefined, 'it is static no longer')
})

t.test('a pod that has gone keeps its names for ten minutes, and its address for what was counted until then', async (t) => {
  const { pods, later } = world()
  const web = pod(WEB)
  pods.put(web)
  later(1000)
  t.match(pods.atAddress(address('10.1.0.1')), { attribution: 'pod_ip', owner: { pod: 'web-0', container: '', workload: 'web' } })
  pods.remove(web)
  t.equal(pods.has('shop', 'web-0'), false)
  t.ok(pods.atAddress(address('10.1.0.1')))
  later(599_000)
  t.ok(pods.lookup(UID, id('a')))
  t.equal(pods.atAddress(address('10.1.0.1')), undefined)
  later(2000)
  t.equal(pods.lookup(UID, id('a')), undefined)
})

t.test('too many that have gone: the oldest are forgotten', async (t) => {
  const { pods } = world(10)
  const all = Array.from({ length: 30 }, () => pod({ containers: {} }))
  for (const one of all) pods.put(one)
  for (const one of all) pods.remove(one)
  t.strictSame([pods.lookup(all[0]?.uid ?? ''), pods.lookup(all[19]?.uid ?? '')], [undefined, undefined])
  t.ok(pods.lookup(all[20]?.uid ?? ''))
})

t.test('a pod made anew under the same name is there when either is', async (t) => {
  const { pods } = world()
  const [first, second] = [pod({ containers: {} }), pod({ containers: {} })]
  pods.put(first)
  pods.put(second)
  pods.remove(first)
  t.equal(pods.has('shop', 'web-0'), true)
  pods.remove(second)
  t.equal(pods.has('shop', 'web-0'), false)
})

t.test('a list that does not name a pod ends it; one from a lagging cache brings it back', async (t) => {
  const { pods } = world()
  const web = pod(WEB)
  pods.listing()
  pods.put(web)
  pods.listed()
  pods.listing()
  pods.listed()
  t.strictSame([pods.size, pods.has('shop', 'web-0'), pods.synced], [0, false, true])
  const ownership = pods.lookup(UID, id('a'))?.ownership
  pods.put(web)
  t.strictSame([pods.size, pods.has('shop', 'web-0'), pods.synced], [1, true, true])
  t.equal(pods.lookup(UID, id('a'))?.ownership, ownership)
  t.strictSame([...pods.addresses()], [address('10.1.0.1')])
  t.match(pods.holder(address('10.1.0.1')), { name: 'web-0' })
})

t.test('every change of an answer raises the generation', async (t) => {
  const { pods } = world()
  let last = pods.generation
  for (const [what, deed] of Object.entries({
    put: () => pods.put(pod(WEB)),
    update: () => pods.put(pod({ ...WEB, ips: ['10.1.0.2'] })),
    remove: () => pods.remove(pod(WEB)),
    listed: () => pods.listed(),
  })) {
    deed()
    t.ok(pods.generation > last, what)
    last = pods.generation
  }
  pods.remove(pod(WEB))
  t.equal(pods.generation, last)
})
