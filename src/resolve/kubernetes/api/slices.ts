// Divides long work, so that a scrape never waits for it. Knows time only.
import { setImmediate } from 'node:timers/promises'

/** Beside it a turn has to read from sockets, and may have some milliseconds of garbage to collect. */
const SLICE_MS = 3

/** One of those who wait in each turn of the event loop: several lists come in at once, and their slices must not add up. */
let lastTurn: Promise<void> = Promise.resolve()

export class Slices {
  #endMs = 0

  /** Has this turn of the event loop done enough? */
  get used(): boolean {
    return performance.now() >= this.#endMs
  }

  /** To be called before each piece of work: lets the event loop go round where the slice is used up. */
  async breathe(): Promise<void> {
    if (!this.used) return
    lastTurn = lastTurn.then(() => setImmediate())
    await lastTurn
    this.#endMs = performance.now() + SLICE_MS
  }
}
