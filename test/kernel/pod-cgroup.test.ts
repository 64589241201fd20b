import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { findPodCgroup } from '../../src/kernel/pod-cgroup.ts'
import { makeCgroup } from '../harness/cgroups.ts'
import { Undo } from '../harness/undo.ts'

for (const [what, path] of [
  ['the systemd driver', 'kubepods.slice'],
  ['the cgroupfs driver', 'kubepods'],
  ['kind, from within the node', 'kubelet.slice/kubelet-kubepods.slice'],
  ['kind with the cgroupfs driver', 'kubelet/kubepods'],
  ['kind, from its host', 'system.slice/docker-0123456789ab.scope/kubelet.slice/kubelet-kubepods.slice'],
] as const) {
  t.test(`pods are below ${path}: ${what}`, async (t) => {
    const root = t.testdir({
      'init.scope': {},
      'system.slice': { 'ssh.service': {} },
      'user.slice': {},
      'my-kubepods-backup': {},
      'file.slice': '',
    })
    t.equal(findPodCgroup(root), undefined)
    mkdirSync(join(root, path, 'besteffort'), { recursive: true })
    t.equal(findPodCgroup(root), join(root, path))
  })
}

t.test('a tree without pods is given up after 512 directories', async (t) => {
  const root = t.testdir({})
  for (let i = 0; i < 600; i++) mkdirSync(join(root, `a${String(i).padStart(3, '0')}`, 'kubepods'), { recursive: true })
  t.match(findPodCgroup(root), /a000/)
  const deep = t.testdir({ many: {} })
  for (let i = 0; i < 600; i++) mkdirSync(join(deep, `a${i}`))
  mkdirSync(join(deep, 'z', 'kubepods'), { recursive: true })
  t.equal(findPodCgroup(deep), undefined)
})

t.test('what is gone is no error', async (t) => t.equal(findPodCgroup('/nowhere'), undefined))

t.test('an empty one, which another driver left behind, comes after one with processes', async (t) => {
  const undo = new Undo()
  t.teardown(() => undo.all())
  const root = makeCgroup(undo, 'node')
  const [stale, used] = [makeCgroup(undo, 'kubepods', root), makeCgroup(undo, 'kubepods.slice', root)]
  t.equal(findPodCgroup(root.directory), stale.directory, 'both are empty')
  const pod = makeCgroup(undo, 'pod', used)
  const child = spawn('sleep', ['60'])
  t.teardown(() => child.kill())
  await once(child, 'spawn')
  writeFileSync(join(pod.directory, 'cgroup.procs'), String(child.pid))
  t.equal(findPodCgroup(root.directory), used.directory)
  child.kill()
  await once(child, 'close')
})
