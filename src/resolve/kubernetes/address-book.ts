// Addresses to who has them, also while they change hands. Knows claims and a clock; nothing of what claims them.
import type { Address } from '../../model.ts'
import { type Claimant, Contest } from './contest.ts'

/** Addresses that changed hands since the collection before last: 50 a second for five minutes; 400 B each. */
const MAX_CONTESTS = 16_384
/** The oldest, closed together where there are too many: one by one would search a map's emptied front for the oldest each time. */
const CLOSED_TOGETHER = 1024

export interface AddressBookOptions {
  /** Monotonic, ms. */
  readonly nowMs: () => number
  /** Somebody who was asked for has given an address back: what was counted for it had better be taken before another has it. */
  readonly handedBack?: () => void
  readonly maxContests?: number
}

export interface Holder extends Claimant {
  /** Has it ever been the answer? */
  asked: boolean
}

export class AddressBook<R extends Holder> {
  readonly #nowMs: () => number
  readonly #handedBack: () => void
  readonly #maxContests: number
  readonly #entries = new Map<Address, R | Contest<R>>()
  /** Where the entry is one. */
  readonly #contests = new Map<Address, Contest<R>>()
  #fromMs: number
  #toMs: number
  #changes = 0

  constructor(options: AddressBookOptions) {
    this.#nowMs = options.nowMs
    this.#handedBack = options.handedBack ?? (() => {})
    this.#maxContests = options.maxContests ?? MAX_CONTESTS
    this.#fromMs = this.#toMs = this.#nowMs()
  }

  get size(): number {
    return this.#entries.size
  }

  get contests(): number {
    return this.#contests.size
  }

  /** Raised whenever an answer may have changed. */
  get generation(): number {
    return this.#changes
  }

  /** What a holder says of itself has changed. */
  renamed(): void {
    this.#changes++
  }

  claim(address: Address, holder: R): void {
    const entry = this.#entries.get(address)
    if (entry === holder) return
    this.#changes++
    if (entry === undefined) this.#entries.set(address, holder)
    else this.#contest(address, entry).claim(holder, this.#nowMs())
  }

  release(address: Address, holder: R): void {
    const entry = this.#entries.get(address)
    if (entry === undefined || (entry !== holder && !(entry instanceof Contest))) return
    this.#changes++
    this.#contest(address, entry).release(holder, this.#nowMs())
    if (holder.asked) this.#handedBack()
    holder.asked = false
  }

  /** Whose the traffic of that address is that is drained in this collection. */
  holder(address: Address): R | undefined {
    const entry = this.#entries.get(address)
    const holder = entry instanceof Contest ? entry.holder(this.#fromMs, this.#toMs) : entry
    if (holder !== undefined) holder.asked = true
    return holder
  }

  /** A collection begins: from here on `holder` answers for what was counted since the last one began. */
  collecting(): void {
    this.#fromMs = this.#toMs
    this.#toMs = this.#nowMs()
    if (this.#contests.size > 0) this.#changes++
    for (const [address, contest] of this.#contests) {
      const left = contest.settle(this.#fromMs)
      if (left === undefined) continue
      this.#close(address, left)
    }
  }

  /** Nobody has any. */
  clear(): void {
    this.#entries.clear()
    this.#contests.clear()
    this.#changes++
  }

  #contest(address: Address, entry: R | Contest<R>): Contest<R> {
    if (entry instanceof Contest) return entry
    if (this.#contests.size >= this.#maxContests) {
      for (const [closed, oldest] of this.#contests.entries().take(CLOSED_TOGETHER)) this.#close(closed, oldest.current() ?? 'nobody')
    }
    const contest = new Contest(entry)
    this.#entries.set(address, contest)
    this.#contests.set(address, contest)
    return contest
  }

  #close(address: Address, left: R | 'nobody'): void {
    this.#contests.delete(address)
    if (left === 'nobody') this.#entries.delete(address)
    else this.#entries.set(address, left)
  }
}
