// Where the ledger lies: a header and chunks of slots, in memory that may outlive the process. Knows nothing of what stands in them.

export interface LedgerMemory {
  /** HEADER_BYTES, zeroed when made. */
  readonly header: ArrayBuffer
  /** Of each chunk; a multiple of 8. */
  readonly chunkBytes: number
  /** How far it may grow: 1 at least. */
  readonly maxChunks: number
  /** Chunks that exist. */
  chunks(): number
  /**
   * An existing chunk, always the same buffer for the same index; `index === chunks()` makes a new one, of zeroes.
   * Throws KernelError where memory is refused.
   */
  chunk(index: number): ArrayBuffer
}

export const HEADER_BYTES = 4096

const CHUNK_BYTES = 128 * 1024
/** 256 MiB, half a million series: who has more of them has a mistake in the labels, and sums by node stay exact all the same. */
const MAX_CHUNKS = 2048

/** Memory of this process alone: what is counted ends with it. */
export function createProcessMemory(options: { chunkBytes?: number; maxChunks?: number } = {}): LedgerMemory {
  const { chunkBytes = CHUNK_BYTES, maxChunks = MAX_CHUNKS } = options
  const chunks: ArrayBuffer[] = []
  return {
    header: new ArrayBuffer(HEADER_BYTES),
    chunkBytes,
    maxChunks,
    chunks: () => chunks.length,
    chunk(index) {
      if (index > chunks.length || index >= maxChunks) throw new RangeError(`there is no chunk ${index} of ${chunks.length}`)
      const existing = chunks[index]
      if (existing !== undefined) return existing
      const made = new ArrayBuffer(chunkBytes)
      chunks.push(made)
      return made
    },
  }
}
