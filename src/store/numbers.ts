// Every number that series are published with, in typed arrays: a slot a series. The only file that holds them, so that they
// can move into memory that outlives the process. Knows nothing of labels or rows.

/** Where a measure stands in its slot. */
export const MEASURES = {
  sentBytes: 0,
  receivedBytes: 1,
  sentPackets: 2,
  receivedPackets: 3,
  /** Open connections: the one that may go down. */
  active: 4,
  opened: 5,
  closed: 6,
  retransmitted: 7,
} as const
export type Measure = (typeof MEASURES)[keyof typeof MEASURES]

const WIDTH = 8
const CHUNK_BITS = 10
const CHUNK_SLOTS = 1 << CHUNK_BITS

declare const slotBrand: unique symbol
/** A slot of `Numbers`. */
export type Slot = number & { readonly [slotBrand]: true }

interface Chunk {
  /** Exact sums of all that was added; may lie under `published` where the kernel took bytes back. */
  readonly totals: Float64Array
  /** The highest total that was ever published. */
  readonly published: Float64Array
}

/**
 * Float64: exact up to 2^53, that is 9 PB a series, and what Prometheus keeps as well.
 * Grows by chunks of 1,024 slots (128 KiB); a freed slot is used again, a chunk is never given back. How many slots there are
 * is bounded by who takes them: see limit.ts.
 */
export class Numbers {
  readonly #chunks: Chunk[] = []
  readonly #free: Slot[] = []
  #used = 0

  /** Slots in use. */
  get size(): number {
    return this.#used - this.#free.length
  }

  /** A slot of zeroes. */
  take(): Slot {
    const freed = this.#free.pop()
    if (freed !== undefined) return freed
    if (this.#used === this.#chunks.length * CHUNK_SLOTS) {
      this.#chunks.push({ totals: new Float64Array(CHUNK_SLOTS * WIDTH), published: new Float64Array(CHUNK_SLOTS * WIDTH) })
    }
    return this.#used++ as Slot
  }

  /** The caller must not touch the slot again. */
  free(slot: Slot): void {
    const chunk = this.#chunk(slot)
    const start = place(slot, 0)
    chunk.totals.fill(0, start, start + WIDTH)
    chunk.published.fill(0, start, start + WIDTH)
    this.#free.push(slot)
  }

  /** Adds `delta`, which may be negative. */
  add(slot: Slot, measure: Measure, delta: number): void {
    const { totals } = this.#chunk(slot)
    const at = place(slot, measure)
    totals[at] = (totals[at] as number) + delta
  }

  /** The exact sum of all that was added. */
  total(slot: Slot, measure: Measure): number {
    return this.#chunk(slot).totals[place(slot, measure)] as number
  }

  /** What may be shown of a counter: the total, or what was shown before where that is higher. Never falls while the slot is taken. */
  publish(slot: Slot, measure: Measure): number {
    const { totals, published } = this.#chunk(slot)
    const at = place(slot, measure)
    const total = totals[at] as number
    if (total > (published[at] as number)) published[at] = total
    return published[at] as number
  }

  #chunk(slot: Slot): Chunk {
    return this.#chunks[slot >> CHUNK_BITS] as Chunk
  }
}

function place(slot: Slot, measure: Measure | 0): number {
  return (slot & (CHUNK_SLOTS - 1)) * WIDTH + measure
}
