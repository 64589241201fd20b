// A build of this exporter whose kernel side has another layout: the sources copied, changed and compiled, as an older version would be.
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { run } from './child.ts'
import type { Undo } from './undo.ts'

const ROOT = join(import.meta.dirname, '..', '..')

/** Text in a file under bpf/ and what takes its place. */
export interface Change {
  readonly file: string
  readonly from: string
  readonly to: string
}

/** The program to run, in place of the built command. Throws where a change changes nothing. */
export function otherBuild(undo: Undo, changes: readonly Change[]): string {
  mkdirSync(join(ROOT, 'dist', 'test'), { recursive: true })
  const directory = mkdtempSync(join(ROOT, 'dist', 'test', 'build-'))
  chmodSync(directory, 0o755) // also for one that runs it without being root
  const remove = (): void => rmSync(directory, { recursive: true, force: true })
  undo.add({ gently: remove, atOnce: remove })
  for (const name of ['src', 'bpf', 'scripts', 'package.json', 'package-lock.json']) {
    cpSync(join(ROOT, name), join(directory, name), { recursive: true })
  }
  symlinkSync(join('..', '..', '..', 'node_modules'), join(directory, 'node_modules'))
  mkdirSync(join(directory, 'dist'))
  for (const { file, from, to } of changes) {
    const path = join(directory, 'bpf', file)
    const before = readFileSync(path, 'utf8')
    if (!before.includes(from)) throw new Error(`${file} has no "${from}"`)
    writeFileSync(path, before.replace(from, to))
  }
  run('bash', join(directory, 'scripts', 'build.sh'), 'bpf')
  run(process.execPath, join(directory, 'scripts', 'layouts.ts'))
  return join(directory, 'src', 'cli.ts')
}
