// Objects by UID as lists and watches tell of them, and which of them a complete list no longer names. Knows nothing of what they are.
import { setImmediate } from 'node:timers/promises'

/** Taken out at a stretch, some 2 us each. */
const SLICE = 512

export interface Listed {
  /** Round of the last list that named it, or in which a watch did. */
  seen: number
}

export class Inventory<R extends Listed> {
  readonly #records = new Map<string, R>()
  #round = 0
  /** How many the round has named. */
  #named = 0
  #synced = false

  get size(): number {
    return this.#records.size
  }

  /** Has a list ever been complete? */
  get synced(): boolean {
    return this.#synced
  }

  listing(): void {
    this.#round++
    this.#named = 0
  }

  get(uid: string): R | undefined {
    return this.#records.get(uid)
  }

  /** The record, if there is one; it counts as named by the list that runs. */
  see(uid: string): R | undefined {
    const record = this.#records.get(uid)
    if (record !== undefined && record.seen !== this.#round) {
      record.seen = this.#round
      this.#named++
    }
    return record
  }

  add(uid: string, record: R): void {
    record.seen = this.#round
    this.#named++
    this.#records.set(uid, record)
  }

  /** Takes it out; undefined where there is none. */
  take(uid: string): R | undefined {
    const record = this.#records.get(uid)
    if (record === undefined) return undefined
    if (record.seen === this.#round) this.#named--
    this.#records.delete(uid)
    return record
  }

  /** Takes out what the list did not name: at once where that is little, else in slices. */
  listed(gone: (record: R, uid: string) => void): Promise<void> | undefined {
    this.#synced = true
    if (this.#named === this.#records.size) return undefined
    const slices = this.#takeUnnamed(gone)
    return slices.next().done ? undefined : toTheEnd(slices)
  }

  *#takeUnnamed(gone: (record: R, uid: string) => void): Generator<undefined, void> {
    let taken = 0
    for (const [uid, record] of this.#records) {
      if (record.seen === this.#round) continue
      this.#records.delete(uid)
      gone(record, uid)
      if (++taken % SLICE === 0) yield
    }
  }

  /** As if there had never been a list. */
  clear(): void {
    this.#synced = false
    this.#named = 0
    this.#records.clear()
  }

  values(): MapIterator<R> {
    return this.#records.values()
  }
}

async function toTheEnd(slices: Generator<undefined, void>): Promise<void> {
  do await setImmediate()
  while (!slices.next().done)
}
