// How long to wait after a failure: doubling, with jitter, so that the nodes of a cluster do not come back all at once.

const FIRST_MS = 1000
const MOST_MS = 30_000
/** By so much a server's own wish is stretched at most. */
const STRETCH = 0.25

export class Backoff {
  readonly #random: () => number
  #ceilingMs = 2 * FIRST_MS

  constructor(random: () => number) {
    this.#random = random
  }

  /** 1 to 2 s at first, 15 to 30 s in the end; never less than the server asks for. */
  nextMs(retryAfterMs = 0): number {
    const own = (this.#ceilingMs / 2) * (1 + this.#random())
    this.#ceilingMs = Math.min(2 * this.#ceilingMs, MOST_MS)
    return Math.max(own, retryAfterMs * (1 + STRETCH * this.#random()))
  }

  reset(): void {
    this.#ceilingMs = 2 * FIRST_MS
  }
}
