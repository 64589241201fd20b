// Every number that series are published with, as this process works on them: a slot a series. What of it outlives the process,
// and when, is the ledger's affair, which asks here for what was touched. Knows nothing of labels or rows.
import type { FlowCounts } from '../model.ts'
import { Pile } from './pile.ts'

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

const WIDTH = Object.keys(MEASURES).length
/** In a slot: when it moved last; exact sums of all that was added; the highest sums ever published. */
export const SLOT_NUMBERS = 1 + 2 * WIDTH
const MOVED = 0
const TOTALS = 1
const PUBLISHED = TOTALS + WIDTH
/** In a slot of numbers that never fall: these need no second place for what was published. */
export const TALLIES = 2 * WIDTH

const CHUNK_BITS = 10
const CHUNK_SLOTS = 1 << CHUNK_BITS

declare const slotBrand: unique symbol
/** A slot of the ledger, and of `Numbers`. */
export type Slot = number & { readonly [slotBrand]: true }

interface Chunk {
  readonly numbers: Float64Array
  /** The same bytes. */
  readonly words: Uint32Array
  readonly touched: Uint8Array
}

/**
 * Float64: exact up to 2^53, that is 9 PB a series, and what Prometheus keeps as well.
 * Grows by chunks of 1,024 slots (137 KiB) as far as the ledger hands out slots; a chunk is never given back.
 */
export class Numbers {
  readonly #chunks: Chunk[] = []
  readonly #touched = new Pile<Slot>()

  /** Slots changed since `settled`, once each; good until another is. */
  get touched(): readonly Slot[] {
    return this.#touched.all
  }

  /** Nothing is touched any more. Answers what was. */
  settled(): readonly Slot[] {
    const slots = this.#touched.take()
    for (let index = 0; index < slots.length; index++) {
      const slot = slots[index] as Slot
      this.#chunk(slot).touched[slot & (CHUNK_SLOTS - 1)] = 0
    }
    return slots
  }

  /** To zero; the slot need not be known yet. */
  clear(slot: Slot): void {
    this.#make(slot)
    const chunk = this.#chunk(slot)
    const start = place(slot, 0)
    chunk.numbers.fill(0, start, start + SLOT_NUMBERS)
    this.touch(slot)
  }

  /** Takes over SLOT_NUMBERS numbers without touching the slot, which need not be known yet. */
  load(slot: Slot, from: Float64Array, at: number): void {
    this.#make(slot)
    this.#chunk(slot).numbers.set(from.subarray(at, at + SLOT_NUMBERS), place(slot, 0))
  }

  touch(slot: Slot): void {
    const { touched } = this.#chunk(slot)
    const at = slot & (CHUNK_SLOTS - 1)
    if (touched[at] === 1) return
    touched[at] = 1
    this.#touched.put(slot)
  }

  /** Adds `delta`, which may be negative. */
  add(slot: Slot, measure: Measure, delta: number): void {
    if (delta === 0) return
    const { numbers } = this.#chunk(slot)
    const at = place(slot, TOTALS + measure)
    numbers[at] = (numbers[at] as number) + delta
    this.touch(slot)
  }

  /** Adds what a flow did; of connections only where there may be any. */
  addFlow(slot: Slot, counts: FlowCounts, tcp: boolean): void {
    const { numbers } = this.#chunk(slot)
    const at = place(slot, TOTALS)
    numbers[at + MEASURES.sentBytes] = (numbers[at + MEASURES.sentBytes] as number) + counts.sentBytes
    numbers[at + MEASURES.receivedBytes] = (numbers[at + MEASURES.receivedBytes] as number) + counts.receivedBytes
    numbers[at + MEASURES.sentPackets] = (numbers[at + MEASURES.sentPackets] as number) + counts.sentPackets
    numbers[at + MEASURES.receivedPackets] = (numbers[at + MEASURES.receivedPackets] as number) + counts.receivedPackets
    this.touch(slot)
    if (!tcp) return
    const { opened, adopted, closed, retransmitted } = counts
    numbers[at + MEASURES.active] = (numbers[at + MEASURES.active] as number) + opened + adopted - closed
    numbers[at + MEASURES.opened] = (numbers[at + MEASURES.opened] as number) + opened
    numbers[at + MEASURES.closed] = (numbers[at + MEASURES.closed] as number) + closed
    numbers[at + MEASURES.retransmitted] = (numbers[at + MEASURES.retransmitted] as number) + retransmitted
  }

  set(slot: Slot, measure: Measure, total: number): void {
    this.#chunk(slot).numbers[place(slot, TOTALS + measure)] = total
    this.touch(slot)
  }

  /** The exact sum of all that was added. */
  total(slot: Slot, measure: Measure): number {
    return this.#chunk(slot).numbers[place(slot, TOTALS + measure)] as number
  }

  /** What may be shown of a counter: the total, or what was shown before where that is higher. Never falls while the slot is taken. */
  publish(slot: Slot, measure: Measure): number {
    const { numbers } = this.#chunk(slot)
    const at = place(slot, TOTALS + measure)
    return raise(numbers, at)
  }

  /** As if every measure had been published. */
  publishAll(slot: Slot): void {
    const { numbers } = this.#chunk(slot)
    const start = place(slot, TOTALS)
    for (let at = start; at < start + WIDTH; at++) raise(numbers, at)
  }

  /** Of a slot of tallies, whose measures are never asked for. `index`: below TALLIES. */
  tally(slot: Slot, index: number): number {
    return this.#chunk(slot).numbers[place(slot, TOTALS + index)] as number
  }

  /** `delta` is 0 at least where the sum is published. */
  addTally(slot: Slot, index: number, delta: number): void {
    if (delta === 0) return
    const { numbers } = this.#chunk(slot)
    const at = place(slot, TOTALS + index)
    numbers[at] = (numbers[at] as number) + delta
    this.touch(slot)
  }

  /** When it moved last, ms of the store's clock. */
  moved(slot: Slot): number {
    return this.#chunk(slot).numbers[place(slot, MOVED)] as number
  }

  setMoved(slot: Slot, nowMs: number): void {
    this.#chunk(slot).numbers[place(slot, MOVED)] = nowMs
    this.touch(slot)
  }

  /** SLOT_NUMBERS numbers, from `start`, and the same as 32-bit words, from `2 * start`. */
  read(slot: Slot): { readonly numbers: Float64Array; readonly words: Uint32Array; readonly start: number } {
    const { numbers, words } = this.#chunk(slot)
    return { numbers, words, start: place(slot, 0) }
  }

  #chunk(slot: Slot): Chunk {
    return this.#chunks[slot >> CHUNK_BITS] as Chunk
  }

  #make(slot: Slot): void {
    while (slot >> CHUNK_BITS >= this.#chunks.length) {
      const numbers = new Float64Array(CHUNK_SLOTS * SLOT_NUMBERS)
      this.#chunks.push({ numbers, words: new Uint32Array(numbers.buffer), touched: new Uint8Array(CHUNK_SLOTS) })
    }
  }
}

function place(slot: Slot, number: number): number {
  return (slot & (CHUNK_SLOTS - 1)) * SLOT_NUMBERS + number
}

function raise(numbers: Float64Array, total: number): number {
  const published = total + PUBLISHED - TOTALS
  if ((numbers[total] as number) > (numbers[published] as number)) numbers[published] = numbers[total] as number
  return numbers[published] as number
}
