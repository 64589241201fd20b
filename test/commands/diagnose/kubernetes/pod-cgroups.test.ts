import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { layoutsBelow, podCgroups } from '../../../../src/commands/diagnose/kubernetes/pod-cgroups.ts'
import { makeCgroup } from '../../../harness/cgroups.ts'
import { Undo } from '../../../harness/undo.ts'

const UID = '0a1b2c3d-0000-4000-8000-000000000001'
const [A, B, NODE] = ['a', 'b', 'c'].map((digit) => digit.repeat(64)) as [string, string, string]
const SLICE = `kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod${UID.replaceAll('-', '_')}.slice`

const seen = async (t: Test, ...paths: readonly string[]) => {
  const root = t.testdir({})
  for (const path of paths) mkdirSync(join(root, path), { recursive: true })
  const { pods, containers, nodes, drivers, runtimes } = await layoutsBelow(root)
  return { pods: pods.size, containers: containers.size, nodes: [...nodes], drivers: [...drivers], runtimes: [...runtimes] }
}

const layouts: readonly [name: string, paths: readonly string[], drivers: readonly string[], runtimes: readonly string[]][] = [
  [
    'containerd under systemd',
    [`${SLICE}/cri-containerd-${A}.scope`, `${SLICE}/cri-containerd-${B}.scope`],
    ['systemd driver'],
    ['containerd'],
  ],
  [
    'CRI-O under systemd',
    [`${SLICE}/crio-${A}.scope/container`, `${SLICE}/crio-${B}.scope`, `${SLICE}/crio-conmon-${A}.scope`],
    ['systemd driver'],
    ['CRI-O'],
  ],
  ['Docker under systemd', [`${SLICE}/docker-${A}.scope`, `${SLICE}/docker-${B}.scope`], ['systemd driver'], ['Docker']],
  ['CRI-O under cgroupfs', [`kubepods/pod${UID}/crio-${A}`, `kubepods/pod${UID}/crio-${B}`], ['cgroupfs driver'], ['CRI-O']],
  [
    'bare ids under cgroupfs',
    [`kubepods/pod${UID}/${A}`, `kubepods/pod${UID}/${B}`],
    ['cgroupfs driver'],
    ['a runtime that writes bare ids'],
  ],
  [
    'containerd that does not know of the systemd driver',
    [A, B].map((id) => `system.slice/containerd.service/kubepods-burstable-pod${UID.replaceAll('-', '_')}.slice:cri-containerd:${id}`),
    ['systemd driver of the kubelet only'],
    ['containerd'],
  ],
  ['a runtime that nobody knows', [`${SLICE}/novel-${A}.scope`, `${SLICE}/novel-${B}.scope`], ['systemd driver'], ['novel']],
]

for (const [name, paths, drivers, runtimes] of layouts)
  t.test(`${name} is known by its directories`, async (t) => {
    t.strictSame(await seen(t, ...paths), { pods: 1, containers: 2, nodes: [], drivers, runtimes })
  })

t.test('a node that is a container is told, and what runs inside a container is not looked at', async (t) => {
  const inside = `docker-${NODE}.scope/kubelet.slice/${SLICE}/cri-containerd-${A}.scope/kubepods/pod${UID.replace('0a', '0b')}/${B}`
  t.strictSame(await seen(t, inside, 'system.slice/cron.service', 'user.slice'), {
    ...{ pods: 1, containers: 1, nodes: [NODE] },
    ...{ drivers: ['systemd driver'], runtimes: ['containerd'] },
  })
})

t.test('pods in the real tree are found', async (t) => {
  const undo = new Undo()
  try {
    let directory = makeCgroup(undo, 'kubepods')
    for (const name of [`pod${UID}`, A]) directory = makeCgroup(undo, name, directory)
    t.match(await podCgroups('auto', true).run(), [
      { check: 'pod_cgroups', status: 'ok', found: /^pods: \d+, containers: \d+, .*cgroupfs driver, .*a runtime that writes bare ids/ },
    ])
  } finally {
    await undo.all()
  }
})

t.test('a tree without pods is a warning on a node of a cluster', async (t) => {
  const undo = new Undo()
  try {
    const { directory } = makeCgroup(undo, 'bare')
    t.match(await podCgroups(directory, true).run(), [{ status: 'warn', found: 'no pods', remedy: /ORB8_CGROUP_ROOT/ }])
    t.match(await podCgroups(directory, false).run(), [{ status: 'ok', found: 'no pods', remedy: '' }])
  } finally {
    await undo.all()
  }
})

t.test('a root that is none is for the check of cgroups to tell', async (t) => {
  t.strictSame(await podCgroups('/proc', true).run(), [])
})
