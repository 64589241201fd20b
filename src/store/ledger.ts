// Keeps the store's numbers and labels so that they outlive the process: all of a drain or nothing of it, whenever it ends.
// Hands out the slots. Knows nothing of tables, limits, or what a record's labels mean.
//
// See docs/decisions/0005. Until `commit` nothing is stored where it could count: numbers are worked on in `Numbers`, records of new
// series go into free slots. `commit` writes the bank of each touched slot that does not count now, then one word in the header
// makes all of them count at once.
import { KernelError, Orb8Error } from '../errors.ts'
import { type Drain, LedgerHeader, MAX_NUMBER, MAX_SOURCE } from './ledger-header.ts'
import type { LedgerMemory } from './ledger-memory.ts'
import { type LedgerRecord, RecordText } from './ledger-records.ts'
import { type Bank, LedgerSlots, SLOT_BYTES } from './ledger-slots.ts'
import { currentBank, META, META_NUMBERS, survey } from './ledger-survey.ts'
import { LEDGER_WRITER, type LedgerWriter } from './ledger-writer.ts'
import { MEASURES, Numbers, type Slot } from './numbers.ts'

/** Raised whenever the same bytes come to mean something else. */
const LAYOUT_VERSION = 1

/** Slots that a commit writes at a stretch: 1 to 3 ms. */
export const SLICE_SLOTS = 2048

/** Slots for what must always find one: see `take`. */
const RESERVED = 64

export interface Opening {
  /** Did what an earlier process counted go on? */
  readonly restored: boolean
  /** Why not. Empty where it did. */
  readonly reason: string
}

export interface RestoredRecord extends LedgerRecord {
  readonly slot: Slot
}

export interface LedgerOptions {
  readonly memory: LedgerMemory
  /** All that must be the same for numbers to go on. */
  readonly identity: string
  /** When counting began, if it begins now: ms since the epoch. */
  readonly startMs: number
  /** Kinds of records whose slots hold tallies. */
  readonly tallied?: ReadonlySet<number>
  readonly write?: LedgerWriter
}

const FREE = 0
/** Taken, and in no committed drain yet. */
const BORN = 1
const LIVE = 2
/** Given back, but still there if this drain never is. */
const DYING = 3
/** Holds more of another slot's text. */
const CHAINED = 4

export class Ledger {
  readonly numbers = new Numbers()
  readonly opening: Opening
  /** Oldest first. */
  readonly restored: readonly RestoredRecord[]
  readonly #header: LedgerHeader
  readonly #slots: LedgerSlots
  readonly #tallied: ReadonlySet<number>
  #states = new Uint8Array(0)
  /** The bank that counts. */
  #banks = new Uint8Array(0)
  #records = new Uint32Array(0)
  #checks = new Uint32Array(0)
  /** 1 where the slot holds tallies. */
  #tallies = new Uint8Array(0)
  readonly #chains = new Map<Slot, readonly Slot[]>()
  readonly #free: Slot[] = []
  readonly #freeReserved: Slot[] = []
  #drain: Drain = { number: 0, source: 0 }
  #known = 0
  #refused = false
  #used = 0
  #returns = 0

  /** Throws KernelError where there is no memory at all; a ledger that cannot go on is emptied instead, see `opening`. */
  constructor({ memory, identity, startMs, tallied = new Set(), write = LEDGER_WRITER }: LedgerOptions) {
    this.#tallied = tallied
    this.#header = new LedgerHeader(memory, write)
    this.#slots = new LedgerSlots(memory, write)
    if (this.#slots.perChunk < RESERVED) throw new RangeError(`a chunk of the ledger needs ${RESERVED * SLOT_BYTES} bytes`)
    const whole = JSON.stringify([LAYOUT_VERSION, SLOT_BYTES, MEASURES, memory.chunkBytes, identity])
    const problem = this.#header.problem(whole)
    const surveyed = problem === undefined ? survey(this.#slots, this.#header.committed.number) : undefined
    const reason = problem ?? surveyed?.damage ?? this.#miscount(surveyed)
    this.opening = { restored: reason === '', reason }
    if (reason !== '') this.#reset(whole, startMs)
    if (this.#slots.count === 0) this.#slots.grow()
    this.restored = surveyed === undefined || reason !== '' ? [] : this.#adopt(surveyed)
    this.#learnSlots()
  }

  /** Live slots, but for the ledger's own. */
  get used(): number {
    return this.#used
  }

  /** Rises when a slot has become free: who found none may ask again. */
  get returns(): number {
    return this.#returns
  }

  get startMs(): number {
    return this.#header.startMs
  }

  /** End of the last committed collection, ms since the epoch. */
  get collectedMs(): number {
    return this.#header.committed.number === 0 ? this.startMs : this.numbers.total(META, META_NUMBERS.collectedMs)
  }

  get committed(): Drain {
    return this.#header.committed
  }

  get emptied(): Drain {
    return this.#header.emptied
  }

  /**
   * A slot of zeroes for a new record, or undefined where there is no room or the labels cannot be kept. `reserved`: for a
   * bounded few which must find room always.
   */
  take(record: LedgerRecord, reserved = false): Slot | undefined {
    const text = new RecordText(record)
    if (!text.fits) return undefined
    const slots: Slot[] = []
    for (let count = text.slots; count > 0; count--) {
      const slot = (reserved ? this.#freeReserved.pop() : undefined) ?? this.#free.pop() ?? this.#grown()
      if (slot === undefined) {
        for (const unused of slots) this.#offer(unused)
        return undefined
      }
      slots.push(slot)
    }
    const [first, ...chain] = slots as [Slot, ...Slot[]]
    for (const slot of chain) this.#states[slot] = CHAINED
    if (chain.length > 0) this.#chains.set(first, chain)
    this.#records[first] = text.write(this.#slots, slots)
    this.#states[first] = BORN
    this.#tallies[first] = this.#tallied.has(record.kind) ? 1 : 0
    this.#used++
    this.numbers.clear(first)
    return first
  }

  /** The record ends with this drain. The caller must not touch the slot again. */
  free(slot: Slot): void {
    this.#used--
    this.numbers.clear(slot)
    if (this.#states[slot] === BORN) this.#release(slot)
    else this.#states[slot] = DYING
  }

  /** A drain begins; memory that was refused may be there now. Throws RangeError where it was committed before. */
  begin(drain: Drain): void {
    const { number, source } = drain
    if (!(number > this.committed.number && number <= MAX_NUMBER))
      throw new RangeError(`drain ${number} cannot follow ${this.committed.number}`)
    if (!(source >= 0 && source <= MAX_SOURCE)) throw new RangeError(`there is no map ${source}`)
    this.#drain = drain
    this.#refused = false
  }

  /**
   * As if nothing had been added since the last commit. Slots taken since then stay taken, with zeroes: it is for their owners to
   * free them. Throws Orb8Error where the memory has been changed by somebody else.
   */
  rollback(): void {
    for (const slot of this.numbers.settled()) {
      if (this.#states[slot] === BORN) this.numbers.clear(slot)
      if (this.#states[slot] === LIVE) this.#reload(slot)
    }
  }

  /**
   * Makes all that was added, taken and freed count once it is done. It yields between slices, if there are several: the caller may
   * let others have their turn, but nothing may be added, taken or freed meanwhile. `collectedMs`: the end of the collection, ms
   * since the epoch.
   */
  *commit(collectedMs: number): Generator<undefined, void> {
    const drain = this.#drain
    const { numbers } = this
    const { touched } = numbers
    const sums = { records: numbers.total(META, META_NUMBERS.records), census: numbers.total(META, META_NUMBERS.census) }
    for (let from = 0; from < touched.length; from += SLICE_SLOTS) {
      if (touched.length > SLICE_SLOTS) yield
      this.#writeSlots(touched, from, Math.min(from + SLICE_SLOTS, touched.length), sums)
    }
    numbers.set(META, META_NUMBERS.records, sums.records)
    numbers.set(META, META_NUMBERS.census, sums.census)
    numbers.set(META, META_NUMBERS.collectedMs, collectedMs)
    this.#writeBank(META, drain.number, true)
    this.#header.commit(drain)
    this.#settle()
  }

  /** The kernel's map of the last committed drain has been emptied. */
  empty(): void {
    this.#header.empty(this.committed)
  }

  #settle(): void {
    const touched = this.numbers.settled()
    for (let index = 0; index < touched.length; index++) {
      const slot = touched[index] as Slot
      if (this.#states[slot] === BORN) this.#states[slot] = LIVE
      if (this.#states[slot] === DYING) this.#release(slot)
    }
  }

  /** Banks of what was touched, and what they change in META's sums. */
  #writeSlots(touched: readonly Slot[], from: number, to: number, sums: { records: number; census: number }): void {
    const { number } = this.#drain
    let { records, census } = sums
    for (let index = from; index < to; index++) {
      const slot = touched[index] as Slot
      const state = this.#states[slot]
      if (slot === META || state === FREE || state === CHAINED) continue
      if (state !== BORN) {
        census -= this.#checks[slot] as number
        records--
      }
      if (state !== DYING && this.#tallies[slot] === 0) this.numbers.publishAll(slot)
      this.#writeBank(slot, number, state !== DYING)
      if (state === DYING) continue
      census += this.#checks[slot] as number
      records++
    }
    sums.records = records
    sums.census = census
  }

  /** Into the bank that does not count: it will, once the drain is committed. */
  #writeBank(slot: Slot, stamp: number, live: boolean): void {
    const bank = this.#banks[slot] === 0 ? 1 : 0
    this.#checks[slot] = this.#slots.writeBank(slot, bank, this.#records[slot] as number, stamp, live, this.numbers)
    this.#banks[slot] = bank
  }

  #reload(slot: Slot): void {
    const bank = this.#banks[slot] as Bank
    const whole = this.#slots.check(slot, bank) === this.#checks[slot] && this.#slots.intact(slot, bank, this.#records[slot] as number)
    if (!whole)
      throw new Orb8Error('take a collection back', 'the ledger has been changed by somebody else', 'restart: counters start at 0')
    this.#slots.loadBank(slot, bank, this.numbers)
  }

  #release(slot: Slot): void {
    const chain = this.#chains.get(slot) ?? []
    this.#chains.delete(slot)
    for (const freed of [slot, ...chain]) this.#offer(freed)
    this.#returns++
  }

  #offer(slot: Slot): void {
    this.#states[slot] = FREE
    if (slot < RESERVED) this.#freeReserved.push(slot)
    else this.#free.push(slot)
  }

  /** A slot of a new chunk. */
  #grown(): Slot | undefined {
    if (this.#refused) return undefined
    try {
      this.#refused = !this.#slots.grow()
    } catch (error) {
      if (!(error instanceof KernelError)) throw error
      this.#refused = true
    }
    if (this.#refused) return undefined
    this.#returns++
    this.#learnSlots()
    return this.#free.pop()
  }

  /** Takes note of slots that nobody has looked at: those of new chunks, or all of them at the start. The lowest is used first. */
  #learnSlots(): void {
    const { count } = this.#slots
    this.#states = enlarged(this.#states, new Uint8Array(count))
    this.#banks = enlarged(this.#banks, new Uint8Array(count))
    this.#records = enlarged(this.#records, new Uint32Array(count))
    this.#checks = enlarged(this.#checks, new Uint32Array(count))
    this.#tallies = enlarged(this.#tallies, new Uint8Array(count))
    for (let slot = count - 1; slot >= this.#known; slot--) {
      if (slot !== META && this.#states[slot] === FREE) this.#offer(slot as Slot)
    }
    if (this.#known === 0 && this.committed.number === 0) this.numbers.clear(META)
    this.#known = count
  }

  #miscount(surveyed: ReturnType<typeof survey> | undefined): string {
    if (surveyed === undefined || this.#header.committed.number === 0) return ''
    this.#slots.loadBank(META, surveyed.meta, this.numbers)
    const records = this.numbers.total(META, META_NUMBERS.records)
    const census = this.numbers.total(META, META_NUMBERS.census)
    return surveyed.records === records && surveyed.census === census ? '' : 'series are missing from it, or older than they should be'
  }

  /** Everything at 0 together. Ended anywhere in between, the next start finds no valid header and does it again. */
  #reset(identity: string, startMs: number): void {
    this.#header.invalidate()
    this.#slots.zero()
    this.#header.begin(identity, startMs)
  }

  /** Takes over what was found, and makes sure that what a drain left which never was cannot count when its number comes again. */
  #adopt({ found, meta }: ReturnType<typeof survey>): RestoredRecord[] {
    const committed = this.committed.number
    const { count } = this.#slots
    this.#states = new Uint8Array(count)
    this.#banks = new Uint8Array(count)
    this.#records = new Uint32Array(count)
    this.#checks = new Uint32Array(count)
    this.#tallies = new Uint8Array(count)
    for (let slot = 0 as Slot; slot < count; slot++) {
      for (const bank of [0, 1] as const) {
        const stamp = this.#slots.stamp(slot, bank)
        if (stamp !== 0 && !(stamp > 0 && stamp <= committed)) this.#slots.unstamp(slot, bank)
      }
      this.#banks[slot] = currentBank(this.#slots, slot, committed) ?? 0
    }
    this.#banks[META] = meta
    for (const { slot, bank, record, check } of found) {
      this.#states[slot] = LIVE
      this.#records[slot] = record.hash
      this.#checks[slot] = check
      this.#tallies[slot] = this.#tallied.has(record.kind) ? 1 : 0
      for (const chained of record.chain) this.#states[chained] = CHAINED
      if (record.chain.length > 0) this.#chains.set(slot, record.chain)
      this.#slots.loadBank(slot, bank, this.numbers)
    }
    this.#used = found.length
    return found
      .map(({ slot, record: { kind, id, startMs, labels } }) => ({ kind, id, startMs, labels, slot }))
      .sort((one, other) => one.id - other.id)
  }
}

function enlarged<T extends Uint8Array | Uint32Array>(from: T, to: T): T {
  to.set(from)
  return to
}
