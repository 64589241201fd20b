import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { listContainers, listLinks, listPods } from '../../../src/resolve/kubernetes/log-directories.ts'

const UID = '6fa1c7a2-91d5-4c0e-8a51-0d3c7f2b9e44'
const HASH = '9729a196c4723b60ab401eaff722982d'
const id = (digit: string): string => digit.repeat(64)

t.test('pods by what their directories are called', async (t) => {
  const root = t.testdir({
    [`shop_web-0_${UID}`]: {},
    [`kube-system_etcd-node-1_${HASH}`]: {},
    'lost+found': {},
    shop_web: {},
    a_b_c_d: {},
    a__b: {},
  })
  const pods = await listPods(root)
  t.same(pods.map(({ namespace, name, uid }) => [namespace, name, uid]).sort(), [
    ['kube-system', 'etcd-node-1', HASH],
    ['shop', 'web-0', UID],
  ])
  await t.rejects(listPods(join(root, 'none')), { code: 'ENOENT' })
})

t.test('containers by the links beside the pods’ directory', async (t) => {
  const root = t.testdir({
    pods: {},
    containers: {
      [`web-0_shop_main-${id('a')}.log`]: '',
      [`web-0_shop_side-car-${id('b')}.log`]: '',
      [`a-name-too-long_shop_main-${id('c').slice(5)}.log`]: '',
      'readme.txt': '',
    },
  })
  t.same(
    await listLinks(join(root, 'pods')),
    new Map([
      [id('a'), 'main'],
      [id('b'), 'side-car'],
    ]),
  )
  t.same(await listLinks('/no/such/pods'), new Map())
})

t.test('containers of one pod, and their ids where Docker keeps the logs', async (t) => {
  const root = t.testdir({ main: {}, setup: { '0.log': 'a line' }, docker: {} })
  for (const [restart, digit] of [
    [0, 'a'],
    [1, 'b'],
  ] as const)
    symlinkSync(`/var/lib/docker/containers/${id(digit)}/${id(digit)}-json.log`, join(root, 'docker', `${restart}.log`))
  writeFileSync(join(root, 'main', '0.log'), '')
  mkdirSync(join(root, 'main', '1.log.d'))
  const { names, byId } = await listContainers(root)
  t.same([...names].sort(), ['docker', 'main', 'setup'])
  t.same(
    byId,
    new Map([
      [id('a'), 'docker'],
      [id('b'), 'docker'],
    ]),
  )
  t.same(await listContainers(join(root, 'none')), { names: [], byId: new Map() })
})
