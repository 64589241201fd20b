// Process ids to cgroups, by /proc. Knows /proc's files; nothing of what the processes do. Needs the host's PID namespace for the
// host's ids.
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'

export interface ProcessPlace {
  /** Inode of the cgroup v2 directory; 0 where the mount does not show it. */
  readonly cgroup: bigint
  /** Below the mount, with a leading slash. */
  readonly cgroupPath: string
  /** Ticks since the boot. */
  readonly startTicks: number
}

export interface ProcessWorld {
  /** The cgroup v2 mount. */
  readonly cgroupRoot: string
  readonly procRoot?: string
}

/** USER_HZ: the unit of /proc, whatever the kernel's own. */
export const TICKS_PER_SECOND = 100
/** Read between two turns of the event loop: a millisecond or two. */
const SLICE = 32
/** The 22nd field, counted from behind the name, which may hold anything. */
const START_FIELD = 19

/** Now, on the clock that processes' start times are on. */
export function ticksSinceBoot(procRoot = '/proc'): number {
  return Math.round(Number.parseFloat(readFileSync(join(procRoot, 'uptime'), 'latin1')) * TICKS_PER_SECOND)
}

/**
 * Where each process is that `aliveAt` names with a moment (ticks since the boot) at which it ran. One that has ended is not in the
 * answer, nor one that began later: it only bears the same number.
 */
export async function placesOf(aliveAt: ReadonlyMap<number, number>, world: ProcessWorld): Promise<Map<number, ProcessPlace>> {
  const { procRoot = '/proc', cgroupRoot } = world
  const places = new Map<number, ProcessPlace>()
  const inodes = new Map<string, bigint>()
  let done = 0
  for (const [pid, ticks] of aliveAt) {
    const place = placeOf(join(procRoot, String(pid)), cgroupRoot, inodes)
    if (place !== undefined && place.startTicks <= ticks) places.set(pid, place)
    if (++done % SLICE === 0) await setImmediate()
  }
  return places
}

function placeOf(directory: string, cgroupRoot: string, inodes: Map<string, bigint>): ProcessPlace | undefined {
  try {
    // The cgroup first: if the start time read after it is old enough, the process was this one all the while.
    const cgroupPath = pathIn(readFileSync(join(directory, 'cgroup'), 'latin1'))
    const startTicks = startIn(readFileSync(join(directory, 'stat'), 'latin1'))
    if (cgroupPath === undefined || startTicks === undefined) return undefined
    let cgroup = inodes.get(cgroupPath)
    if (cgroup === undefined) {
      cgroup = inodeOf(join(cgroupRoot, cgroupPath))
      inodes.set(cgroupPath, cgroup)
    }
    return { cgroup, cgroupPath, startTicks }
  } catch {
    return undefined // it has ended
  }
}

/** The line of cgroup v2. Seen from another cgroup namespace it begins with `/..` once or more: what follows still names the container. */
function pathIn(text: string): string | undefined {
  const path = /^0::(\/.*)$/m.exec(text)?.[1]
  return path?.replace(/^(?:\/\.\.)+(?=\/|$)/, '').replace(/^$/, '/')
}

function startIn(stat: string): number | undefined {
  const field = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[START_FIELD]
  return field === undefined ? undefined : Number(field)
}

function inodeOf(directory: string): bigint {
  return statSync(directory, { bigint: true, throwIfNoEntry: false })?.ino ?? 0n
}
