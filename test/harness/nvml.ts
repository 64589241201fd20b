// A libnvidia-ml of the tests' own, in the variants that drivers come in, and the script that its devices follow. Builds it when its
// source is newer.
import { mkdirSync, mkdtempSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { run } from './child.ts'
import type { Undo } from './undo.ts'

const ROOT = join(import.meta.dirname, '..', '..')
const SOURCE = join(ROOT, 'test', 'nvml', 'nvml.c')
const BUILT = join(ROOT, 'dist', 'test')

/** What a driver lacks, as the source's macros name it. */
export type Without = 'V3' | 'V2' | 'MEMORY_V2' | 'PROCESS_UTILIZATION'

/** The path of the shared library. */
export function buildNvml(...without: readonly Without[]): string {
  const library = join(BUILT, ['libnvidia-ml', ...without].join('-').concat('.so'))
  if ((statSync(library, { throwIfNoEntry: false })?.mtimeMs ?? 0) >= statSync(SOURCE).mtimeMs) return library
  mkdirSync(BUILT, { recursive: true })
  const fresh = `${library}.${process.pid}`
  const macros = without.map((name) => `-DWITHOUT_${name}`)
  run('cc', '-shared', '-fPIC', '-O1', '-Wall', '-Wextra', '-Werror', '-pthread', ...macros, SOURCE, '-o', fresh)
  renameSync(fresh, library)
  return library
}

export type Script = Readonly<Record<string, string | number>>

/** Keys as in nvml.c. Written whole: the library may read it at any moment. */
export class NvmlScript {
  readonly #directory = mkdtempSync(join(tmpdir(), 'orb8-nvml-'))
  #now: Script = {}

  constructor(undo: Undo, script: Script) {
    const remove = (): void => rmSync(this.#directory, { recursive: true, force: true })
    undo.add({ gently: remove, atOnce: remove })
    process.env.ORB8_TEST_NVML = join(this.#directory, 'script')
    this.write(script)
  }

  write(script: Script): void {
    this.#now = script
    const path = join(this.#directory, 'script')
    const lines = Object.entries(script).map(([key, value]) => `${key}=${value}\n`)
    writeFileSync(`${path}.new`, lines.join(''))
    renameSync(`${path}.new`, path)
  }

  change(script: Script): void {
    this.write({ ...this.#now, ...script })
  }
}

/** A GPU that does a little of everything. */
export function gpuScript(index: number): Script {
  const figures = {
    uuid: `GPU-${index}`,
    name: 'NVIDIA H100 80GB HBM3',
    minor: index,
    mig: 0,
    util: 37,
    total: 85_520_809_984,
    used: 1_073_741_824,
    power: 250_123,
    temperature: 44,
    energy: 123_456_789,
    sm_clock: 1980,
    mem_clock: 2619,
    tx: 1200,
    rx: 300,
  }
  return Object.fromEntries(Object.entries(figures).map(([key, value]) => [`${index}.${key}`, value]))
}

/** Of `count` GPUs. */
export function gpusScript(count: number): Script {
  return Object.assign({ driver: '580.159.04', count }, ...Array.from({ length: count }, (_, index) => gpuScript(index)))
}
