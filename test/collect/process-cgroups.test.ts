import { mkdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { placesOf, ticksSinceBoot } from '../../src/collect/process-cgroups.ts'
import { CGROUP_ROOT, makeCgroup } from '../harness/cgroups.ts'
import { Child } from '../harness/child.ts'
import { Undo } from '../harness/undo.ts'

const ALWAYS = Number.MAX_SAFE_INTEGER

const undo = new Undo()
t.teardown(() => undo.all())

t.test('a process is found in its cgroup, by inode and path', async (t) => {
  const { directory } = makeCgroup(undo, 'gpu')
  const child = new Child(undo, 'sleep', ['600'])
  const began = ticksSinceBoot()
  writeFileSync(join(directory, 'cgroup.procs'), String(child.pid))
  const places = await placesOf(new Map([[child.pid, ticksSinceBoot()]]), { cgroupRoot: CGROUP_ROOT })
  const place = places.get(child.pid)
  t.equal(place?.cgroup, statSync(directory, { bigint: true }).ino)
  t.equal(join(CGROUP_ROOT, place?.cgroupPath ?? ''), directory)
  t.ok(Math.abs((place?.startTicks ?? 0) - began) < 500, 'it began a moment ago')
})

t.test('a process that has ended is nowhere, nor one that began after the moment asked for', async (t) => {
  const child = new Child(undo, 'sleep', ['600'])
  const before = ticksSinceBoot() - 1000
  t.equal((await placesOf(new Map([[child.pid, before]]), { cgroupRoot: CGROUP_ROOT })).size, 0)
  child.kill('SIGKILL')
  await child.ended
  t.equal((await placesOf(new Map([[child.pid, ALWAYS]]), { cgroupRoot: CGROUP_ROOT })).size, 0)
})

/** A /proc with one process. */
function procWith(t: Test, cgroup: string, name = 'train', startTicks = 500): string {
  const root = t.testdir({})
  mkdirSync(join(root, '7'))
  writeFileSync(join(root, '7', 'cgroup'), cgroup)
  const fields = ['S', ...Array(18).fill('1'), String(startTicks), '0 0\n']
  writeFileSync(join(root, '7', 'stat'), `7 (${name}) ${fields.join(' ')}`)
  return root
}

t.test('the name of a process may look like the rest of its line', async (t) => {
  const procRoot = procWith(t, '0::/a\n', 'a) S 1 1 (b')
  t.equal((await placesOf(new Map([[7, 500]]), { cgroupRoot: '/nonexistent', procRoot })).get(7)?.startTicks, 500)
  t.equal((await placesOf(new Map([[7, 499]]), { cgroupRoot: '/nonexistent', procRoot })).size, 0, 'a number used again')
})

t.test('a cgroup that the mount does not show keeps its path', async (t) => {
  for (const [line, path] of [
    ['12:memory:/v1\n0::/kubepods/pod1/abc\n', '/kubepods/pod1/abc'],
    ['0::/../../podx.slice/cri-containerd-1.scope\n', '/podx.slice/cri-containerd-1.scope'],
    ['0::/..\n', '/'],
    ['0::/..data/x\n', '/..data/x'],
  ] as const) {
    const procRoot = procWith(t, line)
    t.match(
      (await placesOf(new Map([[7, ALWAYS]]), { cgroupRoot: '/nonexistent', procRoot })).get(7),
      { cgroupPath: path, cgroup: 0n },
      line,
    )
  }
  const procRoot = procWith(t, '12:memory:/v1\n')
  t.equal((await placesOf(new Map([[7, ALWAYS]]), { cgroupRoot: '/nonexistent', procRoot })).size, 0, 'no cgroup v2')
})
