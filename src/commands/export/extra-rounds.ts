// Collections beside the regular ones: soon, or when something is due. Knows when; nothing of what for.

/** A storm of wishes is no storm of collections. */
const LEAST_MS = 1000

export class ExtraRounds implements Disposable {
  readonly #collect: () => void
  readonly #leastMs: number
  #timer: NodeJS.Timeout | undefined
  #dueMs = 0
  #lastMs = Number.NEGATIVE_INFINITY

  /** `leastMs`: between two of them. */
  constructor(collect: () => void, leastMs = LEAST_MS) {
    this.#collect = collect
    this.#leastMs = leastMs
  }

  /** One collection within `delayMs`, or as soon after the last of them as may be; it also serves whoever asks meanwhile for a later one. */
  within(delayMs: number): void {
    const dueMs = Math.max(performance.now() + delayMs, this.#lastMs + this.#leastMs)
    if (this.#timer !== undefined && this.#dueMs <= dueMs) return
    clearTimeout(this.#timer)
    this.#dueMs = dueMs
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined
        this.#lastMs = performance.now()
        this.#collect()
      },
      Math.max(0, dueMs - performance.now()),
    )
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer)
  }
}
