// Calls into C that may take for ever, in threads of libuv's pool, few at a time. Knows turns; nothing of what is called.

/**
 * At most `most` at once; the others wait their turn. The pool has four threads unless UV_THREADPOOL_SIZE says more, and all of
 * Node shares it: whoever takes them all stops the whole process.
 */
export class Threads {
  #free: number
  #busy = 0
  readonly #waiting: (() => void)[] = []
  readonly #idle: (() => void)[] = []

  constructor(most: number) {
    this.#free = most
  }

  /** Calls that wait or have begun, and have not ended. */
  get busy(): number {
    return this.#busy
  }

  /** Resolves when none waits and none runs, which may be never. */
  async idle(): Promise<void> {
    if (this.#busy > 0) await new Promise<void>((resolve) => this.#idle.push(resolve))
  }

  async run<T>(call: () => Promise<T>): Promise<T> {
    this.#busy++
    try {
      if (this.#free > 0) this.#free--
      else await new Promise<void>((resolve) => this.#waiting.push(resolve))
      return await call()
    } finally {
      this.#busy--
      const next = this.#waiting.shift()
      if (next === undefined) this.#free++
      else next()
      if (this.#busy === 0) for (const idle of this.#idle.splice(0)) idle()
    }
  }
}
