// Waits until programs that were replaced are gone. Knows their numbers; nothing of what they did.
import { fileURLToPath } from 'node:url'
import { Links } from './attach.ts'
import { readIterator } from './iterator.ts'
import type { BpfProgram } from './libbpf.ts'
import { isGone } from './maps.ts'
import { loadObject } from './object.ts'

const PROGRAMS_OBJECT = fileURLToPath(new URL('../../dist/bpf/programs.bpf.o', import.meta.url))
const LISTER = 'orb8_programs'
/** Longer than the kernel takes under load is not waited. */
const GONE_MS = 3000
const PAUSE_MS = 10

type Gone = (program: number) => boolean | undefined

/** Until no program still fills the maps of its predecessors. `asks`: how, of who may ask by number; undefined of who may not. */
export async function untilGone(programs: readonly number[], asks: Gone = isGone): Promise<void> {
  if (programs.every((program) => asks(program) === true)) return
  const end = performance.now() + GONE_MS
  using lister = programs.some((program) => asks(program) === undefined) ? new Lister() : undefined
  for (;;) {
    const there = await lister?.programs()
    const left = programs.filter((program) => (there === undefined ? asks(program) === false : there.has(program)))
    if (left.length === 0 || performance.now() > end) return
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
  }
}

/** An iterator over all programs. Throws KernelError. */
class Lister implements Disposable {
  readonly #object = loadObject(PROGRAMS_OBJECT, { entries: {}, values: {} })
  readonly #links = new Links()

  constructor() {
    this.#links.attachIterator(LISTER, this.#object.programs().get(LISTER) as BpfProgram)
  }

  async programs(): Promise<ReadonlySet<number>> {
    const numbers = await readIterator(LISTER, this.#links.iterator(LISTER))
    return new Set(Array.from({ length: Math.floor(numbers.length / 4) }, (_, index) => numbers.readUInt32LE(4 * index)))
  }

  [Symbol.dispose](): void {
    this.#links[Symbol.dispose]()
    this.#object[Symbol.dispose]()
  }
}
