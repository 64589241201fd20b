// What of ours is still in the kernel: programs, maps, links, cgroups, namespaces. Others' exporters on this host are left out.
import { readFileSync } from 'node:fs'
import { cgroupsLeft } from './cgroups.ts'
import { run } from './child.ts'
import { namespacesLeft } from './namespaces.ts'

interface Object_ {
  readonly id: number
  readonly name?: string
  readonly prog_id?: number
  readonly pids?: readonly { readonly pid: number }[]
}

/** Alive, or its parent has not yet taken notice of its end. */
function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

function list(kind: 'prog' | 'map' | 'link'): readonly Object_[] {
  return JSON.parse(run('bpftool', kind, 'list', '-j')) as Object_[]
}

/** Kernel objects that no living process holds, or that one of these does; each as `prog 12 orb8_walk`. */
export function kernelObjects(holders: ReadonlySet<number> = new Set()): Set<string> {
  const ours = new Set<string>()
  for (const kind of ['prog', 'map', 'link'] as const) {
    for (const { id, name = '', pids = [] } of list(kind)) {
      const othersHoldIt = pids.some(({ pid }) => isAlive(pid) && !holders.has(pid))
      if (!othersHoldIt) ours.add(`${kind} ${id} ${name}`)
    }
  }
  return ours
}

/** Everything that should not be there any more, told in words. */
export function leftSince(before: ReadonlySet<string>): string[] {
  return [
    ...[...kernelObjects()].filter((object) => !before.has(object)),
    ...cgroupsLeft().map((name) => `cgroup ${name}`),
    ...namespacesLeft().map((name) => `namespace ${name}`),
  ]
}
