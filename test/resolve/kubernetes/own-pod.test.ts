import t from 'tap'
import { stripOwnPod } from '../../../src/resolve/kubernetes/own-pod.ts'
import { broken, rawPod, UID } from './raw.ts'

const id = (digit: string): string => digit.repeat(64)

const RAW = {
  metadata: { uid: UID, name: 'web-0', namespace: 'shop' },
  spec: { nodeName: 'node-1' },
  status: {
    phase: 'Running',
    podIPs: [{ ip: '10.1.2.3' }],
    containerStatuses: [
      {
        name: 'main',
        containerID: `containerd://${id('a')}`,
        lastState: { terminated: { containerID: `containerd://${id('b')}` } },
      },
      { name: 'other', containerID: `cri-o://${id('c')}` },
      { name: 'not-yet', state: { waiting: {} } },
    ],
    initContainerStatuses: [
      { name: 'setup', state: { terminated: { containerID: `docker://${id('d')}` } } },
      { name: 'proxy', containerID: `containerd://${id('e')}` },
    ],
    ephemeralContainerStatuses: [{ name: 'debug', containerID: `containerd://${id('f')}` }],
  },
}

t.test('containers of every kind by id, former ones too', async (t) => {
  const pod = stripOwnPod(RAW)
  t.match(pod, { uid: UID, name: 'web-0', namespace: 'shop', workload: 'web-0', workloadKind: 'Pod', configHash: '' })
  t.strictSame(
    new Map(pod?.containers),
    new Map([
      [id('b'), 'main'],
      [id('a'), 'main'],
      [id('c'), 'other'],
      [id('d'), 'setup'],
      [id('e'), 'proxy'],
      [id('f'), 'debug'],
    ]),
  )
})

t.test("a static pod's hash", async (t) => {
  const hash = '9729a196c4723b60ab401eaff722982d'
  for (const annotations of [
    { 'kubernetes.io/config.hash': hash },
    { 'kubernetes.io/config.mirror': hash },
    { 'kubernetes.io/config.hash': hash, 'kubernetes.io/config.mirror': hash, 'kubernetes.io/config.source': 'file' },
  ]) {
    t.equal(stripOwnPod(rawPod({ annotations }))?.configHash, hash)
  }
})

t.test('ids that are none name nothing', async (t) => {
  for (const written of ['', id('a'), `containerd://${id('a')}b`, 'containerd://abc', `Containerd://${id('A')}`, 7, null]) {
    const raw = { ...RAW, status: { containerStatuses: [{ name: 'main', containerID: written }] } }
    t.equal(stripOwnPod(raw)?.containers.size, 0, String(written))
  }
})

t.test('a pod with anything missing or wrong is none, or has less, and never throws', async (t) => {
  let none = 0
  let all = 0
  for (const raw of broken(RAW)) {
    all++
    const pod = stripOwnPod(raw)
    if (pod === undefined) none++
    else if (pod.name === '' || [...pod.containers.values()].includes('')) t.fail('an empty name', { raw, pod })
  }
  t.ok(none > 20 && none < all, `${none} of ${all} are none`)
})
