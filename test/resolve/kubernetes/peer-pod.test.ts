import t from 'tap'
import { formatAddress } from '../../../src/address.ts'
import { stripPeerPod } from '../../../src/resolve/kubernetes/peer-pod.ts'
import { broken, rawPod, UID } from './raw.ts'

t.test('a pod as a peer: whose it is, where, and by which addresses', async (t) => {
  const pod = stripPeerPod(rawPod({ uid: UID, ips: ['10.1.2.3', 'fd00::3'], owner: ['StatefulSet', 'web'] }))
  t.strictSame(pod?.addresses.map(formatAddress), ['10.1.2.3', 'fd00::3'])
  t.match(pod, { uid: UID, namespace: 'shop', workload: 'web', workloadKind: 'StatefulSet', node: 'node-1', startedS: 1_735_689_601 })
})

t.test('a pod on the network of its node, one that has ended and one that waits have no address', async (t) => {
  t.strictSame(stripPeerPod(rawPod({ ips: ['10.0.0.9'], hostNetwork: true }))?.addresses, [])
  for (const phase of ['Succeeded', 'Failed']) t.strictSame(stripPeerPod(rawPod({ ips: ['10.1.2.3'], phase }))?.addresses, [], phase)
  t.strictSame(stripPeerPod(rawPod())?.addresses, [])
  t.equal(stripPeerPod(rawPod({ ips: ['10.1.2.3'], phase: 'Pending' }))?.addresses.length, 1, 'one whose init containers run has one')
})

t.test('without a start the creation counts', async (t) => {
  t.equal(stripPeerPod(rawPod({ started: '' }))?.startedS, 1_735_689_600)
})

t.test('a pod with anything missing or wrong is none, or has less, and never throws', async (t) => {
  let none = 0
  let all = 0
  for (const raw of broken(rawPod({ uid: UID, ips: ['10.1.2.3'], owner: ['Job', 'x-12345678'], labels: { a: 'b' } }))) {
    all++
    const pod = stripPeerPod(raw)
    if (pod === undefined) none++
    else if (pod.uid === '' || pod.namespace === '' || pod.workload === '' || pod.workloadKind === '') t.fail('an empty name', { raw, pod })
  }
  t.ok(none > 20 && none < all, `${none} of ${all} are none`)
})
