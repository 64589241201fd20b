import { join } from 'node:path'
import t, { type Test } from 'tap'
import { runChecks } from '../../../../src/commands/diagnose/check.ts'
import { type DevicePlaces, type PodResourcesSettings, podResources } from '../../../../src/commands/diagnose/devices/pod-resources.ts'
import { GPUS, TRAINING } from '../../../harness/gpu-machine.ts'
import { holder, Kubelet, type KubeletSays } from '../../../harness/kubelet.ts'
import { Undo } from '../../../harness/undo.ts'

const NOWHERE = '/nowhere/kubelet.sock'
const BARE: DevicePlaces = { driver: NOWHERE, rdma: NOWHERE }
const look = (settings: Partial<PodResourcesSettings>, places: DevicePlaces = BARE) =>
  runChecks([podResources({ podResourcesSocket: NOWHERE, dcgmUrl: undefined, ...settings }, places)])

async function kubeletOf(t: Test, says: KubeletSays): Promise<Kubelet> {
  const undo = new Undo()
  t.teardown(() => undo.all())
  return Kubelet.start(undo, says)
}

t.test('what it has handed out is told by resource', async (t) => {
  const kubelet = await kubeletOf(t, { ...TRAINING, pods: [...TRAINING.pods, holder('other', 'rdma/hca', 'mlx5_0')] })
  const found = `kubelet answers at ${kubelet.socket}: 2 devices in use, nvidia.com/gpu 1 of 2`
  t.strictSame(await look({ podResourcesSocket: kubelet.socket }), [{ check: 'pod_resources', status: 'ok', found, remedy: '' }])
  kubelet.says = { pods: [holder('train-0', 'nvidia.com/gpu', GPUS[0])] }
  t.match(await look({ podResourcesSocket: kubelet.socket }), [{ status: 'ok', found: /nvidia\.com\/gpu 1 of \?$/ }], 'an older kubelet')
})

t.test('a kubelet that refuses or has gone is a warning', async (t) => {
  const kubelet = await kubeletOf(t, TRAINING)
  const { socket } = kubelet
  kubelet.refuses = 'UNIMPLEMENTED'
  t.match(await look({ podResourcesSocket: socket }), [
    { status: 'warn', found: /^cannot ask kubelet at .*: no$/, remedy: /from 1\.20 on/ },
  ])
  kubelet.stop(true)
  t.match(await look({ podResourcesSocket: socket }), [{ status: 'warn', found: /^cannot ask kubelet/, remedy: /is kubelet running/ }])
})

t.test('without a socket there is a warning where there are devices, and none elsewhere', async (t) => {
  t.match(await look({}), [{ status: 'ok', found: `no socket at ${NOWHERE}` }])
  t.match(await look({ podResourcesSocket: undefined }), [{ status: 'ok', found: /^not set/ }])
  const tree = t.testdir({ version: 'NVRM', infiniband: { mlx5_0: {} }, empty: {} })
  const missing = [
    { status: 'warn', found: /no kubelet says whose devices are/, remedy: /mount the directory \/var\/lib\/kubelet\/pod-resources/ },
  ]
  t.match(await look({ dcgmUrl: 'http://127.0.0.1:9400' }), missing)
  t.match(await look({}, { ...BARE, driver: join(tree, 'version') }), missing)
  t.match(await look({}, { ...BARE, rdma: join(tree, 'infiniband') }), missing)
  t.match(await look({}, { ...BARE, rdma: join(tree, 'empty') }), [{ status: 'ok' }])
})
