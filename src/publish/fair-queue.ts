// Does one work at a time, taking turns among those who ask. Knows who asked and in which order; nothing of the work.

/** Works that wait for one asker, and for all: who fills its own share stands in nobody else's way. */
export interface Most {
  readonly ofOne: number
  readonly ofAll: number
}

export class FairQueue {
  /** Askers in the order of their turns. */
  readonly #waiting = new Map<string, (() => Promise<void>)[]>()
  readonly #most: Most
  #count = 0
  #running = false

  constructor(most: Most) {
    this.#most = most
  }

  /** The work's result, or undefined where there is no room for it. */
  run<T>(asker: string, work: () => Promise<T>): Promise<T> | undefined {
    const mine = this.#waiting.get(asker) ?? []
    if (mine.length >= this.#most.ofOne || this.#count >= this.#most.ofAll) return undefined
    const result = new Promise<T>((resolve, reject) => {
      mine.push(() => work().then(resolve, reject))
    })
    this.#waiting.set(asker, mine)
    this.#count++
    if (!this.#running) void this.#drain()
    return result
  }

  async #drain(): Promise<void> {
    this.#running = true
    for (const [asker, works] of this.#turns()) {
      const work = works.shift()
      this.#count--
      this.#waiting.delete(asker)
      // To the end of the round.
      if (works.length > 0) this.#waiting.set(asker, works)
      await work?.()
    }
    this.#running = false
  }

  *#turns(): Generator<[string, (() => Promise<void>)[]]> {
    for (let next = this.#next(); next !== undefined; next = this.#next()) yield next
  }

  #next(): [string, (() => Promise<void>)[]] | undefined {
    const { value } = this.#waiting.entries().next()
    return value
  }
}
