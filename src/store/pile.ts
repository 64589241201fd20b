// What comes together until somebody takes it all, again and again about as much of it. Knows nothing of what it is.

/** Takes room once for as much as there was the last time: growing step by step leaves three times as much behind. */
export class Pile<T> {
  #items: T[] = []
  #count = 0

  put(item: T): void {
    this.#items[this.#count++] = item
  }

  /** What has come so far; good until something is put or taken. */
  get all(): readonly T[] {
    this.#items.length = this.#count
    return this.#items
  }

  /** All of it, which is the caller's then. */
  take(): readonly T[] {
    const taken = this.all
    this.#items = new Array<T>(this.#count)
    this.#count = 0
    return taken
  }
}
