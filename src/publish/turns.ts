// Lets so much be done in one turn of the event loop, the rest in the next ones, first come first served. Knows amounts; nothing of
// what is done.

export class Turns {
  readonly #most: number
  readonly #waiting: { readonly amount: number; readonly go: () => void }[] = []
  #done = 0
  #scheduled = false

  /** `most` of any unit; what is more than that by itself has a turn of its own. */
  constructor(most: number) {
    this.#most = most
  }

  /** Resolves once there is room for `amount`. Who calls is to be bounded: there is a place here for each. */
  take(amount: number): Promise<void> {
    if (!this.#scheduled) {
      this.#scheduled = true
      setImmediate(() => this.#next())
    }
    if (this.#waiting.length === 0 && this.#fits(amount)) {
      this.#done += amount
      return Promise.resolve()
    }
    return new Promise((go) => this.#waiting.push({ amount, go }))
  }

  #fits(amount: number): boolean {
    return this.#done === 0 || this.#done + amount <= this.#most
  }

  #next(): void {
    this.#done = 0
    let passed = 0
    for (const { amount, go } of this.#waiting) {
      if (!this.#fits(amount)) break
      this.#done += amount
      passed++
      go()
    }
    this.#waiting.splice(0, passed)
    this.#scheduled = this.#done > 0
    if (this.#scheduled) setImmediate(() => this.#next())
  }
}
