import { mkdirSync, rmdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { ConfigError, Orb8Error } from '../../src/errors.ts'
import { findCgroupRoot } from '../../src/resolve/cgroup-root.ts'

const TRUE_ROOT = (await findCgroupRoot('auto')).path

const aLine = (point: string, filesystem: string): string => `31 23 0:26 / ${point} rw,relatime shared:9 - ${filesystem} none rw\n`

t.test('auto finds the mount whose inode is 1, without a word', async (t) => {
  const root = await findCgroupRoot('auto')
  t.equal(statSync(root.path, { bigint: true }).ino, 1n)
  t.equal(root.warning, undefined)
  t.doesNotThrow(() => statSync(join(root.path, 'cgroup.controllers')))
})

t.test('a tmpfs at the usual place is passed over, though its inode may be 1', async (t) => {
  t.equal((await findCgroupRoot('auto', { usual: ['/dev/shm', '/sys/fs/cgroup/nowhere', TRUE_ROOT] })).path, TRUE_ROOT)
})

t.test('a mount at an unusual place is found in mountinfo, escapes and all', async (t) => {
  const dir = t.testdir()
  const mountinfo = join(dir, 'mountinfo')
  const escaped = `\\${TRUE_ROOT.charCodeAt(0).toString(8).padStart(3, '0')}${TRUE_ROOT.slice(1)}`
  writeFileSync(mountinfo, aLine('/', 'ext4') + aLine('/sys/fs/cgroup/cpu', 'cgroup') + aLine(escaped, 'cgroup2'))
  t.equal((await findCgroupRoot('auto', { usual: [], mountinfo })).path, TRUE_ROOT)
})

t.test('with no cgroup2 anywhere it says so and what to do', async (t) => {
  const mountinfo = join(t.testdir({ mountinfo: aLine('/sys/fs/cgroup/cpu', 'cgroup') }), 'mountinfo')
  const failure = findCgroupRoot('auto', { usual: ['/tmp'], mountinfo })
  await t.rejects(failure, { message: /^cannot find the cgroup v2 mount: .*ORB8_CGROUP_ROOT/ })
  await t.rejects(failure, Orb8Error)
  await t.rejects(findCgroupRoot('auto', { usual: [], mountinfo: '/nonexistent' }), Orb8Error)
})

t.test("a part of the tree, as a container's own view is", async (t) => {
  const part = join(TRUE_ROOT, `orb8-root-${process.pid}`)
  mkdirSync(part)
  t.teardown(() => rmdirSync(part))
  const inode = statSync(part).ino
  t.equal((await findCgroupRoot('auto', { usual: [part, TRUE_ROOT] })).path, TRUE_ROOT, 'gives way to the true root')
  const alone = await findCgroupRoot('auto', { usual: [part], mountinfo: '/dev/null' })
  t.equal(alone.path, part, 'is used where there is nothing else')
  t.match(alone.warning, `inode ${inode}`)
  const named = await findCgroupRoot(`${part}/`)
  t.equal(named.path, part, 'may be named')
  t.match(named.warning, 'ORB8_CGROUP_ROOT')
})

t.test('a path that is no cgroup2 directory is a wrong setting, named in one line', async (t) => {
  for (const [path, problem] of [
    ['/sys/fs/cgroup/nowhere', 'ENOENT'],
    ['/tmp', 'not on a cgroup2 file system'],
    [join(TRUE_ROOT, 'cgroup.procs'), 'not a directory'],
  ] as const) {
    const failure = await findCgroupRoot(path).catch((error: unknown) => error)
    t.ok(failure instanceof ConfigError)
    t.equal(
      (failure as ConfigError).message,
      `cannot use ORB8_CGROUP_ROOT: ${path}: ${problem} (auto, or a directory of a cgroup2 file system)`,
    )
    t.equal((failure as ConfigError).exitCode, 2)
  }
})
