import { join } from 'node:path'
import t from 'tap'
import { formatAddress } from '../../../src/address.ts'
import { identifyCgroup } from '../../../src/resolve/cgroup-path.ts'
import { createKubernetesNames, type KubernetesNamesOptions } from '../../../src/resolve/kubernetes/names.ts'
import { stripNode } from '../../../src/resolve/kubernetes/node.ts'
import { stripOwnPod } from '../../../src/resolve/kubernetes/own-pod.ts'
import { stripPeerPod } from '../../../src/resolve/kubernetes/peer-pod.ts'
import { stripResourceSlice } from '../../../src/resolve/kubernetes/resource-slice.ts'
import { resourceSlice } from '../../harness/kubernetes-objects.ts'
import { rawPod, UID } from './raw.ts'

const ID = 'a'.repeat(64)

function world(change: Partial<KubernetesNamesOptions> = {}) {
  const clock = { ms: 0 }
  const told: string[] = []
  const names = createKubernetesNames({
    nodeName: 'node-1',
    api: true,
    peers: 'auto',
    peerNodes: false,
    podLogsDirectory: '/no/such/directory',
    partialRoot: false,
    scopeChosen: (scope) => told.push(scope),
    slicesWanted: () => told.push('slices'),
    handedBack: () => told.push('handed back'),
    nowMs: () => clock.ms,
    ...change,
  })
  const putNodes = (count: number): void => {
    names.nodeSink.listing()
    for (let n = 0; n < count; n++) {
      const node = stripNode({ metadata: { uid: `node-${n}`, name: `node-${n}` } })
      if (node !== undefined) names.nodeSink.put(node)
    }
    names.nodeSink.listed()
  }
  const list = (...sinks: readonly { listing(): void; listed(): void }[]): void => {
    for (const sink of sinks) {
      sink.listing()
      sink.listed()
    }
  }
  return { names, clock, told, putNodes, list }
}

t.test('auto waits for the nodes to be counted, and follows a cluster that grows', async (t) => {
  const { names, told, putNodes } = world()
  t.equal(names.scope, undefined)
  putNodes(100)
  t.equal(names.scope, 'cluster')
  const pod = stripPeerPod(rawPod({ ips: ['10.1.0.1'] }))
  if (pod !== undefined) names.peerSink.put(pod)
  t.equal(names.counts().peerPods, 1)
  putNodes(300)
  t.equal(names.scope, 'services')
  t.equal(names.counts().peerPods, 0, 'pods that nobody follows any more are forgotten')
  t.strictSame(told, ['cluster', 'services'])
})

t.test('what is set is chosen at once and told to nobody', async (t) => {
  for (const scope of ['cluster', 'services', 'off'] as const) {
    const { names, told, putNodes } = world({ peers: scope })
    t.equal(names.scope, scope)
    putNodes(300)
    t.strictSame(told, [])
  }
})

t.test('all that the scope wants has to be listed once', async (t) => {
  const { names, list, putNodes } = world()
  for (const [what, deed] of [
    ['nothing', () => {}],
    ['nodes', () => putNodes(3)],
    ['Services', () => list(names.serviceSink)],
    ['own pods', () => list(names.podSink)],
  ] as const) {
    deed()
    t.equal(names.synced, false, what)
  }
  list(names.peerSink)
  t.equal(names.synced, true)
  const few = world({ peers: 'services' })
  few.list(few.names.podSink, few.names.serviceSink, few.names.nodeSink)
  t.equal(few.names.synced, true)
  const off = world({ peers: 'off' })
  off.list(off.names.podSink)
  t.equal(off.names.synced, true)
  t.equal(world({ api: false }).names.synced, true)
})

t.test('without the API: no peers by Kubernetes, names by the directories of logs', async (t) => {
  const root = t.testdir({ pods: { [`shop_web-0_${UID}`]: { main: {} } } })
  const { names } = world({ api: false, podLogsDirectory: join(root, 'pods') })
  t.equal(names.cluster, undefined)
  t.equal(names.hasPod('shop', 'gone'), true, 'nobody can tell yet')
  const identity = identifyCgroup(`/kubepods/pod${UID}/${ID}`)
  await names.ensure([identity])
  t.match(names.owners.ownerOf(7n, identity, ''.padEnd(16, '\0') as never), { ownership: { owner: { pod: 'web-0', container: 'main' } } })
  t.strictSame([names.hasPod('shop', 'web-0'), names.hasPod('shop', 'gone')], [true, false])
})

t.test('pods of this node: known, joined, counted, and reported when they give an address back that was asked for', async (t) => {
  const { names, told, list, clock } = world({ peers: 'services' })
  const pod = stripOwnPod(rawPod({ uid: UID, ips: ['2001:db8::5'], containers: { [ID]: 'main' } }))
  if (pod === undefined) return t.fail('no pod')
  list(names.podSink)
  t.equal(names.hasPod('shop', 'web-0'), false)
  names.podSink.put(pod)
  t.equal(names.hasPod('shop', 'web-0'), true)
  t.equal(names.counts().ownPods, 1)
  t.strictSame(
    names.publicPrefixes().map(({ address, bits }) => `${formatAddress(address)}/${bits}`),
    ['2001:db8::/64'],
  )
  const [address] = pod.addresses
  if (address === undefined) return t.fail('no address')
  t.match(names.cluster?.nodeOrPod(address), { peerKind: 'pod', peerWorkload: 'web-0' })
  names.podSink.remove(pod)
  t.strictSame(told, ['handed back'])
  for (let n = 0; n < 2; n++) {
    clock.ms += 1000
    names.collecting()
  }
  t.equal(names.cluster?.nodeOrPod(address), undefined)
  t.equal(names.publicPrefixes().length, 0)
  t.strictSame(names.counts(), { ownPods: 0, peerPods: 0, services: 0, nodes: 0, waitsRefused: 0, prefixesOverlooked: 0 })
})

t.test('ResourceSlices are wanted once a GPU by a claim is asked for, and not without the API', async (t) => {
  const { names, told } = world()
  t.strictSame(told, [])
  for (let n = 0; n < 2; n++) t.equal(names.draUuid('node-1', 'gpu-0'), undefined)
  t.strictSame(told, ['slices'])
  const slice = stripResourceSlice(resourceSlice({ node: 'node-1', devices: { 'gpu-0': { uuid: 'GPU-a' } } }))
  if (slice !== undefined) names.sliceSink.put(slice)
  t.equal(names.draUuid('node-1', 'gpu-0'), 'GPU-a')
  const alone = world({ api: false })
  alone.names.draUuid('node-1', 'gpu-0')
  t.strictSame(alone.told, [])
})
