// Memory that outlives the process: pinned array maps, mapped into this process. Knows pages; nothing of what is written on them.
import { KernelError } from '../errors.ts'
import { type Fd, libbpf } from './libbpf.ts'
import { makeArray, mapMemory } from './made-maps.ts'
import { mapInfo } from './maps.ts'
import type { PinDirectory } from './pins.ts'

const HEADER_BYTES = 4096
const ENTRY_BYTES = 512
const HEADER = 'ledger_header'
const chunkName = (index: number): string => `ledger_${index}`

export interface LedgerMapsOptions {
  /** Whole pages. */
  readonly chunkBytes: number
  readonly maxChunks: number
}

/** Header and chunks as ArrayBuffers over kernel memory. */
export class LedgerMaps {
  readonly header: ArrayBuffer
  readonly chunkBytes: number
  readonly maxChunks: number
  readonly #pins: PinDirectory
  readonly #chunks: ArrayBuffer[] = []

  /** Takes what is pinned, or makes a header of zeroes. Throws KernelError. */
  constructor(pins: PinDirectory, { chunkBytes, maxChunks }: LedgerMapsOptions) {
    this.#pins = pins
    this.chunkBytes = chunkBytes
    this.maxChunks = maxChunks
    this.header = this.#open(HEADER, HEADER_BYTES) ?? this.#make(HEADER, HEADER_BYTES)
    for (;;) {
      const chunk = this.#open(chunkName(this.#chunks.length), chunkBytes)
      if (chunk === undefined) return
      this.#chunks.push(chunk)
    }
  }

  chunks(): number {
    return this.#chunks.length
  }

  /** An existing chunk; the first that does not exist yet is made, of zeroes. Throws KernelError where the kernel has no memory. */
  chunk(index: number): ArrayBuffer {
    if (index === this.#chunks.length) this.#chunks.push(this.#make(chunkName(index), this.chunkBytes))
    return this.#chunks[index] as ArrayBuffer
  }

  /** Makes so many chunks, for a process that will not be allowed to. */
  fill(chunks: number): void {
    while (this.#chunks.length < Math.min(chunks, this.maxChunks)) this.chunk(this.#chunks.length)
  }

  #open(name: string, bytes: number): ArrayBuffer | undefined {
    const fd = this.#pins.get(name)
    if (fd === undefined) return undefined
    const { valueSize, maxEntries } = mapInfo(fd)
    if (valueSize * maxEntries === bytes) return take(name, fd, bytes)
    libbpf().libc.close(fd) // somebody else's, or of another build: a new one takes its place
    return undefined
  }

  /** Where the pin is refused (a directory that was deleted) the memory serves this process alone: the next finds it missing. */
  #make(name: string, bytes: number): ArrayBuffer {
    const fd = makeArray('orb8_ledger', ENTRY_BYTES, bytes / ENTRY_BYTES)
    try {
      this.#pins.put(name, fd, 'write')
    } catch (error) {
      if (!(error instanceof KernelError) && (error as NodeJS.ErrnoException).code === undefined) throw error
    }
    return take(name, fd, bytes)
  }
}

function take(name: string, fd: Fd, bytes: number): ArrayBuffer {
  try {
    return mapMemory(name, fd, bytes)
  } finally {
    libbpf().libc.close(fd)
  }
}
