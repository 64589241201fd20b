// Which cgroup tree is there, and is a bpffs mounted?
import { readFile } from 'node:fs/promises'
import { findCgroupRoot } from '../../resolve/cgroup-root.ts'
import type { Check } from './check.ts'

const MOUNTINFO = '/proc/self/mountinfo'

/** Mount points by file system type, as proc_pid_mountinfo(5) lays the lines out. */
async function mountPoints(mountinfo: string, type: string): Promise<readonly string[]> {
  const lines = (await readFile(mountinfo, 'utf8')).split('\n').map((line) => line.split(' - ', 2))
  return lines.flatMap(([mount, filesystem]) => (filesystem?.startsWith(`${type} `) ? [mount?.split(' ')[4] ?? ''] : []))
}

/** `setting` is Config.cgroupRoot. A path that is no cgroup v2 is a finding like any other. */
export function cgroup(setting: string, mountinfo: string = MOUNTINFO): Check {
  return {
    name: 'cgroup',
    run: async () => {
      const { path, warning } = await findCgroupRoot(setting, { mountinfo })
      const beside = (await mountPoints(mountinfo, 'cgroup')).length > 0 ? ', beside controllers of version 1' : ''
      const found = `version 2 at ${path}${beside}`
      return [{ check: 'cgroup', status: warning === undefined ? 'ok' : 'warn', found, remedy: warning ?? '' }]
    },
  }
}

export function bpffs(mountinfo: string = MOUNTINFO): Check {
  return {
    name: 'bpffs',
    run: async () => {
      const mounts = await mountPoints(mountinfo, 'bpf')
      if (mounts.length > 0) return [{ check: 'bpffs', status: 'ok', found: `mounted at ${mounts.join(', ')}`, remedy: '' }]
      const remedy = 'only for counters that go on over a restart: mount -t bpf bpf /sys/fs/bpf'
      return [{ check: 'bpffs', status: 'warn', found: 'not mounted', remedy }]
    },
  }
}
