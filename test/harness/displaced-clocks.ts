// Moves the clocks of an exporter while it runs. Knows the file that it reads; never the machine's own clocks.
import { chmodSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Undo } from './undo.ts'

export interface Displacement {
  readonly wallMs: number
  readonly monotonicMs: number
}

export class DisplacedClocks {
  readonly #path: string
  /** What starts an exporter that goes by them. */
  readonly options: { readonly program: string; readonly env: Readonly<Record<string, string>> }

  constructor(undo: Undo) {
    const folder = mkdtempSync(join(tmpdir(), 'orb8-test-clocks-'))
    chmodSync(folder, 0o755) // also for an exporter that is not root
    this.#path = join(folder, 'clocks')
    const remove = (): void => rmSync(folder, { recursive: true })
    undo.add({ gently: remove, atOnce: remove })
    this.options = { program: join(import.meta.dirname, 'displaced-exporter.ts'), env: { CLOCKS: this.#path } }
    this.set({})
  }

  set({ wallMs = 0, monotonicMs = 0 }: Partial<Displacement>): void {
    writeFileSync(`${this.#path}.new`, JSON.stringify({ wallMs, monotonicMs }))
    renameSync(`${this.#path}.new`, this.#path)
  }
}
