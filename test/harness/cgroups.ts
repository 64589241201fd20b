// Cgroups of the test's own, straight below the v2 mount, gone at its end. Knows nothing of who is put there.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync } from 'node:fs'
import { join } from 'node:path'
import { until } from './child.ts'
import type { Undo } from './undo.ts'

export const CGROUP_ROOT = existsSync('/sys/fs/cgroup/cgroup.controllers') ? '/sys/fs/cgroup' : '/sys/fs/cgroup/unified'
const PREFIX = 'orb8-test-'

export interface Cgroup {
  readonly directory: string
  /** As the exporter names a cgroup that is nobody's unit or container. */
  readonly workload: string
}

let made = 0

export function makeCgroup(undo: Undo, name: string, parent?: Cgroup): Cgroup {
  const base = parent === undefined ? `${PREFIX}${process.pid}-${++made}-${name}` : name
  const directory = join(parent?.directory ?? CGROUP_ROOT, base)
  mkdirSync(directory)
  undo.add({
    gently: async () => {
      for (const path of [...below(directory), directory]) {
        await until(`${path} to be empty`, () => isEmpty(path))
        removeCgroup({ directory: path, workload: '' })
      }
    },
    atOnce: () => {
      for (const path of [...below(directory), directory]) {
        for (let i = 0; i < 200 && !isEmpty(path); i++) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10)
        removeCgroup({ directory: path, workload: '' })
      }
    },
  })
  return { directory, workload: `${parent?.workload ?? ''}/${base}` }
}

/** What processes in it made and left. */
function below(directory: string): string[] {
  if (!existsSync(directory)) return []
  const entries = readdirSync(directory, { withFileTypes: true })
  return entries.filter((entry) => entry.isDirectory()).map(({ name }) => join(directory, name))
}

/** Also where it is gone already. */
export function removeCgroup({ directory }: Cgroup): void {
  if (existsSync(directory)) rmdirSync(directory)
}

function isEmpty(directory: string): boolean {
  return !existsSync(directory) || readFileSync(join(directory, 'cgroup.procs'), 'utf8') === ''
}

/** Of this process. */
export function cgroupsLeft(): string[] {
  return readdirSync(CGROUP_ROOT).filter((name) => name.startsWith(`${PREFIX}${process.pid}-`))
}
