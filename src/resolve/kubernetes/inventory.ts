// Objects by UID as lists and watches tell of them, and which of them a complete list no longer names. Knows nothing of what they are.

export interface Listed {
  /** Round of the last list that named it, or in which a watch did. */
  seen: number
}

export class Inventory<R extends Listed> {
  readonly #records = new Map<string, R>()
  #round = 0
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
  }

  get(uid: string): R | undefined {
    return this.#records.get(uid)
  }

  /** The record, if there is one; it counts as named by the list that runs. */
  see(uid: string): R | undefined {
    const record = this.#records.get(uid)
    if (record !== undefined) record.seen = this.#round
    return record
  }

  add(uid: string, record: R): void {
    record.seen = this.#round
    this.#records.set(uid, record)
  }

  /** Takes it out; undefined where there is none. */
  take(uid: string): R | undefined {
    const record = this.#records.get(uid)
    if (record !== undefined) this.#records.delete(uid)
    return record
  }

  /** Takes out what the list did not name. */
  listed(gone: (record: R, uid: string) => void): void {
    this.#synced = true
    for (const [uid, record] of this.#records) {
      if (record.seen === this.#round) continue
      this.#records.delete(uid)
      gone(record, uid)
    }
  }

  /** As if there had never been a list. */
  clear(gone: (record: R) => void): void {
    this.#synced = false
    for (const record of this.#records.values()) gone(record)
    this.#records.clear()
  }

  values(): MapIterator<R> {
    return this.#records.values()
  }
}
