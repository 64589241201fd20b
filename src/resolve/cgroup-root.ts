// Finds the cgroup v2 mount whose inodes are the kernel's cgroup ids. Knows mounts; nothing of what lies inside.
import { readFile, stat, statfs } from 'node:fs/promises'
import { resolve } from 'node:path'
import { ConfigError, Orb8Error } from '../errors.ts'

/** CGROUP2_SUPER_MAGIC of linux/magic.h. */
const CGROUP2_MAGIC = 0x63677270
/** Inode of the true root: it is cgroup id 1. A namespace's view of some other cgroup has that cgroup's inode. */
const TRUE_ROOT_INODE = 1n
const SETTING = 'ORB8_CGROUP_ROOT'

export interface CgroupRoot {
  readonly path: string
  /** Does it show a part of the tree only? */
  readonly partial: boolean
  /** Why sockets of other cgroups will stay without a name; for one line in the log. */
  readonly warning?: string
}

export interface CgroupRootWorld {
  /** Looked at first, in this order. */
  readonly usual?: readonly string[]
  readonly mountinfo?: string
}

/**
 * The cgroup v2 mount: `setting` itself, or for `auto` the usual places, then mountinfo's, a true root before any other.
 * Throws ConfigError for a path that is no cgroup2 directory, Orb8Error where `auto` finds none.
 */
export async function findCgroupRoot(setting: string, world: CgroupRootWorld = {}): Promise<CgroupRoot> {
  if (setting !== 'auto') return asRoot(resolve(setting), await inodeOfExplicit(setting))
  const { usual = ['/sys/fs/cgroup', '/sys/fs/cgroup/unified'], mountinfo = '/proc/self/mountinfo' } = world
  const mounted = cgroup2Mounts(await readFile(mountinfo, 'utf8').catch(() => ''))
  let second: CgroupRoot | undefined
  for (const path of new Set([...usual, ...mounted])) {
    if (!(await isCgroup2(path).catch(() => false))) continue
    const root = asRoot(path, (await stat(path, { bigint: true })).ino)
    if (root.warning === undefined) return root
    second ??= root
  }
  if (second !== undefined) return second
  throw new Orb8Error(
    'find the cgroup v2 mount',
    `no cgroup2 file system at ${usual.join(', ')} or in ${mountinfo}`,
    `mount -t cgroup2 none /sys/fs/cgroup/unified, or name the mount with ${SETTING}`,
  )
}

function asRoot(path: string, inode: bigint): CgroupRoot {
  if (inode === TRUE_ROOT_INODE) return { path, partial: false }
  return {
    path,
    partial: true,
    warning: `${path} is not the root of the cgroup tree but a part of it (inode ${inode}): sockets of cgroups outside it get no name; mount the host's /sys/fs/cgroup and name it with ${SETTING}`,
  }
}

async function inodeOfExplicit(path: string): Promise<bigint> {
  const allowed = 'auto, or a directory of a cgroup2 file system'
  const found = await stat(path, { bigint: true }).catch((cause: NodeJS.ErrnoException) => cause)
  if (found instanceof Error) throw new ConfigError(SETTING, `${path}: ${found.code ?? found.message}`, allowed)
  if (!found.isDirectory()) throw new ConfigError(SETTING, `${path}: not a directory`, allowed)
  if (!(await isCgroup2(path))) throw new ConfigError(SETTING, `${path}: not on a cgroup2 file system`, allowed)
  return found.ino
}

async function isCgroup2(path: string): Promise<boolean> {
  return (await statfs(path)).type === CGROUP2_MAGIC
}

/** Mount points of file system type cgroup2, as proc_pid_mountinfo(5) writes them. */
function cgroup2Mounts(mountinfo: string): string[] {
  const mounts: string[] = []
  for (const line of mountinfo.split('\n')) {
    const [mount = '', filesystem = ''] = line.split(' - ', 2)
    const point = mount.split(' ')[4]
    if (filesystem.startsWith('cgroup2 ') && point !== undefined) mounts.push(unescapeOctal(point))
  }
  return mounts
}

function unescapeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))
}
