import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { bpffs, cgroup } from '../../../src/commands/diagnose/mounts.ts'
import { findCgroupRoot } from '../../../src/resolve/cgroup-root.ts'

function mountinfo(dir: string, ...lines: string[]): string {
  const path = join(dir, 'mountinfo')
  writeFileSync(path, lines.map((line) => `${line}\n`).join(''))
  return path
}

t.test('a bpffs is found wherever it is mounted, and only wished for', async (t) => {
  const mounted = mountinfo(
    t.testdir(),
    '36 23 0:28 / /run/bpf rw,relatime shared:9 - bpf bpf rw,mode=700',
    '23 1 0:1 / / rw - ext4 /dev/vda rw',
  )
  t.match(await bpffs(mounted).run(), [{ check: 'bpffs', status: 'ok', found: 'mounted at /run/bpf' }])
})

t.test('without a bpffs the finding is a warning with its remedy', async (t) => {
  const bare = mountinfo(t.testdir(), '23 1 0:1 / / rw - ext4 /dev/vda rw,bpf')
  t.match(await bpffs(bare).run(), [{ status: 'warn', remedy: /mount -t bpf/ }])
})

t.test('the cgroup v2 tree of this host is found', async (t) => {
  const { path } = await findCgroupRoot('auto')
  const [finding] = await cgroup('auto').run()
  t.match(finding, { check: 'cgroup', found: `version 2 at ${path}` })
  t.not(finding?.status, 'fail')
})

t.test('controllers of version 1 beside it are mentioned', async (t) => {
  const { path } = await findCgroupRoot('auto')
  const hybrid = mountinfo(t.testdir(), '34 31 0:31 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory')
  t.match(await cgroup(path, hybrid).run(), [{ found: `version 2 at ${path}, beside controllers of version 1` }])
  const pure = mountinfo(t.testdir(), '31 23 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw')
  t.match(await cgroup(path, pure).run(), [{ found: `version 2 at ${path}` }])
})
