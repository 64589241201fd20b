// RDMA devices as sysfs has them, in a tree of the test's own, and how an exporter is made to see it. Knows paths; nothing of counters.
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { Undo } from './undo.ts'

/** Path below /sys/class/infiniband to what is read there. */
export type RdmaFiles = Readonly<Record<string, string | number>>

export class RdmaTree {
  readonly #top = mkdtempSync(join(tmpdir(), 'orb8-rdma-'))

  constructor(undo: Undo, files: RdmaFiles) {
    const remove = (): void => rmSync(this.#top, { recursive: true, force: true })
    undo.add({ gently: remove, atOnce: remove })
    this.write(files)
  }

  write(files: RdmaFiles): void {
    for (const [path, content] of Object.entries(files)) {
      const file = join(this.#top, 'infiniband', path)
      mkdirSync(dirname(file), { recursive: true })
      writeFileSync(file, `${content}\n`)
    }
  }

  /** Says which function of the bus a device is. */
  isFunction(device: string, address: string): void {
    symlinkSync(`../../../${address}`, join(this.#top, 'infiniband', device, 'device'))
  }

  /** Runs a program that sees the tree where the kernel's own would be, in a mount namespace of its own. */
  get wrapper(): readonly string[] {
    return ['unshare', '-m', 'sh', '-c', `mount --bind ${this.#top} /sys/class && exec "$0" "$@"`]
  }
}
