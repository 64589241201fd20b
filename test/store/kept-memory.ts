// Ledger memory that a test can copy, break and hand to the next process, and a writer that ends the process at a chosen store.

import { KernelError } from '../../src/errors.ts'
import { createProcessMemory, HEADER_BYTES, type LedgerMemory } from '../../src/store/ledger-memory.ts'
import { LEDGER_WRITER, type LedgerWriter } from '../../src/store/ledger-writer.ts'

/** 64 slots: the fewest that a chunk may have, so that a few dozen series need several. */
export const CHUNK_BYTES = 64 * 512

export function keptMemory(maxChunks = 64): LedgerMemory {
  return createProcessMemory({ chunkBytes: CHUNK_BYTES, maxChunks })
}

/** Grows to `chunks`, then is refused more, as a kernel would. */
export function scarceMemory(chunks: number): LedgerMemory {
  return scarce(keptMemory(), chunks)
}

function scarce(memory: LedgerMemory, chunks: number): LedgerMemory {
  return {
    header: memory.header,
    chunkBytes: memory.chunkBytes,
    maxChunks: memory.maxChunks,
    chunks: memory.chunks,
    chunk(index) {
      if (index >= chunks) throw new KernelError('grow the ledger', 'ENOMEM', 'raise the memory limit')
      return memory.chunk(index)
    },
  }
}

/** As a new process finds it; `chunks`: where it is refused more, 64 where it never is. */
export function copyOf(memory: LedgerMemory, chunks = 64): LedgerMemory {
  const copy = keptMemory()
  new Uint8Array(copy.header).set(new Uint8Array(memory.header))
  for (let index = 0; index < memory.chunks(); index++) new Uint8Array(copy.chunk(index)).set(new Uint8Array(memory.chunk(index)))
  return scarce(copy, chunks)
}

/** All buffers of a memory, the header first. */
export function buffersOf(memory: LedgerMemory): Uint8Array[] {
  const chunks = Array.from({ length: memory.chunks() }, (_, index) => new Uint8Array(memory.chunk(index)))
  return [new Uint8Array(memory.header, 0, HEADER_BYTES), ...chunks]
}

export class Killed extends Error {}

/** Does `stores` stores and dies at the next; a bulk one is then half done. `done`: how many it has done. */
export function mortalWriter(stores: number): LedgerWriter & { readonly done: number } {
  let done = 0
  const live = (): void => {
    if (done >= stores) throw new Killed(`killed at store ${stores}`)
    done++
  }
  return {
    get done() {
      return done
    },
    float64(to, index, value) {
      live()
      LEDGER_WRITER.float64(to, index, value)
    },
    uint32(to, index, value) {
      live()
      LEDGER_WRITER.uint32(to, index, value)
    },
    word(to, index, value) {
      live()
      LEDGER_WRITER.word(to, index, value)
    },
    zero(bytes) {
      LEDGER_WRITER.zero(bytes.subarray(0, bytes.length / 2))
      live()
      LEDGER_WRITER.zero(bytes)
    },
  }
}
