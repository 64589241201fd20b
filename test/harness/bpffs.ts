// A bpffs of the test's own: what is pinned there goes with its mount.
import { mkdtempSync, rmdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { run, works } from './child.ts'
import type { Undo } from './undo.ts'

/** Begins the names of all mounts that tests make; the process id follows. */
export const BPFFS = 'orb8-test-bpffs-'

export interface Bpffs {
  readonly path: string
  /** For one exporter; does not exist yet. */
  readonly pins: string
  /** At once, whoever uses it. */
  unmount(): void
}

export function mountBpffs(undo: Undo): Bpffs {
  const path = mkdtempSync(join(tmpdir(), `${BPFFS}${process.pid}-`))
  let mounted = true
  const unmount = (): void => {
    if (mounted) run('umount', '-l', path)
    mounted = false
  }
  run('mount', '-t', 'bpf', 'bpf', path)
  undo.add({
    gently: () => {
      unmount()
      rmdirSync(path)
    },
    atOnce: () => {
      works('umount', '-l', path)
      works('rmdir', path)
    },
  })
  return { path, pins: join(path, 'orb8'), unmount }
}
