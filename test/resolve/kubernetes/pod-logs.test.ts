import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { PodLogs } from '../../../src/resolve/kubernetes/pod-logs.ts'

const UID = '6fa1c7a2-91d5-4c0e-8a51-0d3c7f2b9e44'
const HASH = '9729a196c4723b60ab401eaff722982d'
const id = (digit: string): string => digit.repeat(64)

function world(t: Test, nodeName = 'Node-1') {
  const root = t.testdir({})
  const directory = join(root, 'pods')
  const clock = { ms: 0 }
  const logs = new PodLogs({ directory, nodeName, nowMs: () => clock.ms })
  const make = (pod: string, ...containers: readonly string[]): void => {
    for (const name of ['', ...containers]) mkdirSync(join(directory, pod, name), { recursive: true })
  }
  const link = (name: string, digit: string): void => {
    mkdirSync(join(root, 'containers'), { recursive: true })
    symlinkSync('nowhere', join(root, 'containers', `${name}-${id(digit)}.log`))
  }
  return { directory, clock, logs, make, link }
}

t.test('pods and containers by the names of directories and links', async (t) => {
  const { logs, make, link } = world(t)
  make(`shop_web-0_${UID}`, 'main', 'setup')
  link('web-0_shop_main', 'a')
  await logs.ensure([
    { podUid: UID, containerId: id('a') },
    { podUid: UID, containerId: id('b') },
  ])
  t.equal(logs.found, true)
  t.same(logs.lookup(UID, id('a')), {
    ownership: {
      owner: { namespace: 'shop', pod: 'web-0', container: 'main', workload: 'web-0', workloadKind: 'Pod' },
      attribution: 'cgroup',
    },
    certain: true,
  })
  t.match(logs.lookup(UID, id('b')), { certain: false, ownership: { owner: { container: '', pod: 'web-0' } } })
  t.match(logs.lookup(UID), { certain: true, ownership: { owner: { container: '' } } })
  t.equal(logs.lookup(UID, id('a'))?.ownership, logs.lookup(UID, id('a'))?.ownership)
  t.equal(logs.has('shop', 'web-0'), true)
  t.equal(logs.lookup(HASH), undefined)
})

t.test('without links: Docker’s own, else the only directory', async (t) => {
  const { directory, logs, make } = world(t)
  make(`shop_one_${UID}`, 'main')
  make(`shop_two_${UID.replace('6', '7')}`, 'main', 'proxy')
  make(`shop_three_${UID.replace('6', '8')}`, 'main', 'proxy')
  symlinkSync(
    `/var/lib/docker/containers/${id('d')}/${id('d')}-json.log`,
    join(directory, `shop_three_${UID.replace('6', '8')}`, 'proxy', '0.log'),
  )
  const needs = [UID, UID.replace('6', '7'), UID.replace('6', '8')].map((podUid) => ({ podUid, containerId: id('d') }))
  await logs.ensure(needs)
  t.same(
    needs.map(({ podUid, containerId }) => logs.lookup(podUid, containerId)?.ownership.owner.container),
    ['main', '', 'proxy'],
  )
})

t.test("a static pod's workload is the node, where its name says that it is this one's", async (t) => {
  const { logs, make } = world(t)
  make(`kube-system_etcd-node-1_${HASH}`, 'etcd')
  make(`kube-system_etcd-other_${HASH.replace('9', '8')}`, 'etcd')
  await logs.ensure([])
  t.match(logs.lookup(HASH)?.ownership.owner, { workload: 'Node-1', workloadKind: 'Node', pod: 'etcd-node-1' })
  t.match(logs.lookup(HASH.replace('9', '8'))?.ownership.owner, { workload: 'etcd-other', workloadKind: 'Pod' })
})

t.test('it looks only where something is not known, once a second at most', async (t) => {
  const { clock, logs, make } = world(t)
  make(`shop_web-0_${UID}`, 'main')
  await logs.ensure([{ podUid: UID, containerId: id('a') }])
  t.equal(logs.scans, 1)
  clock.ms += 5000
  await logs.ensure([{ podUid: UID, containerId: id('a') }])
  t.equal(logs.scans, 1, 'all is known')
  const need = { podUid: UID.replace('6', '7') }
  await logs.ensure([need])
  t.equal(logs.scans, 2)
  make(`shop_web-1_${UID.replace('6', '7')}`, 'main')
  clock.ms += 999
  await logs.ensure([need])
  t.equal(logs.lookup(need.podUid), undefined)
  clock.ms += 1
  const before = logs.generation
  await Promise.all([logs.ensure([need]), logs.ensure([need])])
  t.equal(logs.scans, 3, 'who asks at once shares the look')
  t.ok(logs.generation > before)
  t.match(logs.lookup(need.podUid)?.ownership.owner, { pod: 'web-1' })
})

t.test('a directory that is not there is looked for once a minute', async (t) => {
  const { clock, logs, make } = world(t)
  const need = { podUid: UID }
  await logs.ensure([need])
  t.equal(logs.found, false)
  make(`shop_web-0_${UID}`)
  clock.ms += 59_000
  await logs.ensure([need])
  t.equal(logs.found, false)
  clock.ms += 1000
  await logs.ensure([need])
  t.equal(logs.found, true)
  t.ok(logs.lookup(UID))
})

t.test('a pod whose directory has gone keeps its name for ten minutes', async (t) => {
  const { directory, clock, logs, make } = world(t)
  make(`shop_web-0_${UID}`)
  await logs.ensure([])
  rmSync(join(directory, `shop_web-0_${UID}`), { recursive: true })
  clock.ms += 60_000
  await logs.ensure([])
  t.equal(logs.has('shop', 'web-0'), false)
  t.ok(logs.lookup(UID))
  clock.ms += 600_000
  await logs.ensure([])
  t.equal(logs.lookup(UID), undefined)
  t.equal(logs.size, 0)
})

t.test('a file in place of the directory, and files within it, harm nothing', async (t) => {
  const { directory, logs } = world(t)
  writeFileSync(directory, 'a file')
  await logs.ensure([{ podUid: UID }])
  t.equal(logs.found, false)
  rmSync(directory)
  mkdirSync(directory)
  writeFileSync(join(directory, `shop_web-0_${UID}`), 'a file')
  const second = new PodLogs({ directory, nodeName: 'n', nowMs: () => 0 })
  await second.ensure([{ podUid: UID, containerId: id('a') }])
  t.match(second.lookup(UID, id('a')), { certain: false, ownership: { owner: { pod: 'web-0' } } })
})
