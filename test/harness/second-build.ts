// Another build of the exporter over the same layout: its kernel object has some bytes more, which nobody reads. Knows where builds lie.
import { appendFileSync, chmodSync, copyFileSync, cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Undo } from './undo.ts'

const ROOT = join(import.meta.dirname, '..', '..')

/** Returns the path of its command. */
export function makeSecondBuild(undo: Undo): string {
  mkdirSync(join(ROOT, 'dist', 'test'), { recursive: true })
  const folder = mkdtempSync(join(ROOT, 'dist', 'test', 'build-'))
  chmodSync(folder, 0o755) // also for one that runs it without being root
  const remove = (): void => rmSync(folder, { recursive: true })
  undo.add({ gently: remove, atOnce: remove })
  for (const name of readdirSync(join(ROOT, 'dist'))) {
    if (name !== 'test' && name !== 'bench') cpSync(join(ROOT, 'dist', name), join(folder, 'dist', name), { recursive: true })
  }
  copyFileSync(join(ROOT, 'package.json'), join(folder, 'package.json'))
  appendFileSync(join(folder, 'dist', 'bpf', 'socket.bpf.o'), 'second')
  return join(folder, 'dist', 'cli.js')
}
