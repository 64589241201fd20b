// The slots of the ledger's memory: where in them what stands, and how it is read and written. Decides nothing.
//
// A slot holds the record of a series (what it is) and two banks with its numbers, each stamped with the drain that wrote it. The bank
// with the highest stamp that is committed counts; the other is the undo of the drain that wrote this one, and where the next
// drain writes. A slot whose bank says that it is not live, or that has none, is free.
import { finish, mix, mixNumber, mixWords } from './hash.ts'
import type { LedgerMemory } from './ledger-memory.ts'
import type { LedgerWriter } from './ledger-writer.ts'
import { type Numbers, SLOT_NUMBERS, type Slot } from './numbers.ts'

/** Of text in one slot; with it a slot of eight measures takes 512 bytes. Four series in five need no second one. */
const TEXT_BYTES = 176

/** In 8-byte numbers. */
const ID = 2
const START = 3
const TEXT = 4
const BANKS = TEXT + TEXT_BYTES / 8
const BANK_NUMBERS = 2 + SLOT_NUMBERS
const SLOT_WIDTH = BANKS + 2 * BANK_NUMBERS

/** In 32-bit words. */
const KIND = 0
const LENGTH = 1
const NEXT = 2
export const TEXT_WORDS = TEXT_BYTES / 4

export const SLOT_BYTES = SLOT_WIDTH * 8

export type Bank = 0 | 1

const LIVE = 1
const DEAD = 2

/** The head of a record; its text is beside it, in this slot and those after it. */
export interface RecordHead {
  readonly kind: number
  readonly id: number
  readonly startMs: number
  /** Bytes of text. */
  readonly length: number
}

interface View {
  readonly numbers: Float64Array
  readonly words: Uint32Array
}

export class LedgerSlots {
  readonly perChunk: number
  readonly #memory: LedgerMemory
  readonly #write: LedgerWriter
  readonly #views: View[] = []

  constructor(memory: LedgerMemory, write: LedgerWriter) {
    this.#memory = memory
    this.#write = write
    this.perChunk = Math.floor(memory.chunkBytes / SLOT_BYTES)
    for (let index = 0; index < memory.chunks(); index++) this.#view(index)
  }

  /** How many there are. */
  get count(): number {
    return this.#views.length * this.perChunk
  }

  /** One chunk more. Answers false where there may be none. Throws KernelError where memory is refused. */
  grow(): boolean {
    if (this.#views.length >= this.#memory.maxChunks) return false
    this.#view(this.#views.length)
    return true
  }

  /** Every byte of every chunk to zero: no slot is taken. */
  zero(): void {
    for (const { words } of this.#views) this.#write.zero(new Uint8Array(words.buffer))
  }

  stamp(slot: Slot, bank: Bank): number {
    return this.#at(slot).numbers[this.#bank(slot, bank)] as number
  }

  /** The bank's drain never was. */
  unstamp(slot: Slot, bank: Bank): void {
    this.#write.float64(this.#at(slot).numbers, this.#bank(slot, bank), 0)
  }

  live(slot: Slot, bank: Bank): boolean {
    return this.#at(slot).words[this.#bank(slot, bank) * 2 + 3] === LIVE
  }

  /** Does the bank hold what was written into it, for the record with this hash? */
  intact(slot: Slot, bank: Bank, record: number): boolean {
    const { words } = this.#at(slot)
    const start = this.#bank(slot, bank)
    const state = words[start * 2 + 3] as number
    return words[start * 2 + 2] === checkOf(slot, record, this.stamp(slot, bank), state, words, (start + 2) * 2)
  }

  check(slot: Slot, bank: Bank): number {
    return this.#at(slot).words[this.#bank(slot, bank) * 2 + 2] as number
  }

  /** Are they numbers at all? */
  finite(slot: Slot, bank: Bank): boolean {
    const { numbers } = this.#at(slot)
    const start = this.#bank(slot, bank) + 2
    for (let at = start; at < start + SLOT_NUMBERS; at++) if (!Number.isFinite(numbers[at])) return false
    return true
  }

  loadBank(slot: Slot, bank: Bank, into: Numbers): void {
    into.load(slot, this.#at(slot).numbers, this.#bank(slot, bank) + 2)
  }

  /** In any order, since no bank counts before its stamp is committed. Returns the check. */
  writeBank(slot: Slot, bank: Bank, record: number, stamp: number, live: boolean, from: Numbers): number {
    const write = this.#write
    const { numbers, words } = this.#at(slot)
    const at = this.#bank(slot, bank)
    const source = from.read(slot)
    const state = live ? LIVE : DEAD
    const check = checkOf(slot, record, stamp, state, source.words, source.start * 2)
    write.float64(numbers, at, stamp)
    write.uint32(words, at * 2 + 2, check)
    write.uint32(words, at * 2 + 3, state)
    for (let index = 0; index < SLOT_NUMBERS; index++) {
      write.float64(numbers, at + 2 + index, source.numbers[source.start + index] as number)
    }
    return check
  }

  head(slot: Slot): RecordHead {
    const { numbers, words } = this.#at(slot)
    const at = this.#start(slot)
    return {
      kind: words[at * 2 + KIND] as number,
      length: words[at * 2 + LENGTH] as number,
      id: numbers[at + ID] as number,
      startMs: numbers[at + START] as number,
    }
  }

  writeHead(slot: Slot, { kind, id, startMs, length }: RecordHead): void {
    const { numbers, words } = this.#at(slot)
    const at = this.#start(slot)
    this.#write.uint32(words, at * 2 + KIND, kind)
    this.#write.uint32(words, at * 2 + LENGTH, length)
    this.#write.float64(numbers, at + ID, id)
    this.#write.float64(numbers, at + START, startMs)
  }

  /** The slot in which the text goes on; 0 where it does not. */
  next(slot: Slot): Slot {
    return this.#at(slot).words[this.#start(slot) * 2 + NEXT] as Slot
  }

  writeNext(slot: Slot, next: number): void {
    this.#write.uint32(this.#at(slot).words, this.#start(slot) * 2 + NEXT, next)
  }

  /** At most TEXT_WORDS words of text, to `at` in `into`. */
  readText(slot: Slot, count: number, into: Uint32Array, at: number): void {
    const start = (this.#start(slot) + TEXT) * 2
    into.set(this.#at(slot).words.subarray(start, start + count), at)
  }

  writeText(slot: Slot, count: number, from: Uint32Array, at: number): void {
    const { words } = this.#at(slot)
    const start = (this.#start(slot) + TEXT) * 2
    for (let index = 0; index < count; index++) this.#write.uint32(words, start + index, from[at + index] as number)
  }

  #view(index: number): void {
    const buffer = this.#memory.chunk(index)
    if (buffer.byteLength !== this.#memory.chunkBytes) throw new RangeError(`chunk ${index} of the ledger has ${buffer.byteLength} bytes`)
    this.#views.push({ numbers: new Float64Array(buffer), words: new Uint32Array(buffer) })
  }

  #at(slot: Slot): View {
    return this.#views[Math.floor(slot / this.perChunk)] as View
  }

  #start(slot: Slot): number {
    return (slot % this.perChunk) * SLOT_WIDTH
  }

  #bank(slot: Slot, bank: Bank): number {
    return (slot % this.perChunk) * SLOT_WIDTH + BANKS + bank * BANK_NUMBERS
  }
}

/** Of a bank: whose it is, when it was written, and all its numbers. */
function checkOf(slot: Slot, record: number, stamp: number, state: number, words: Uint32Array, at: number): number {
  const who = mix(mix(mixNumber(slot, stamp), record), state)
  return finish(mixWords(who, words, at, at + SLOT_NUMBERS * 2))
}
