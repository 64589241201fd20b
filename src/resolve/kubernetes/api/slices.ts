// Divides long work, so that a scrape never waits for it. Knows time only.
import { setImmediate } from 'node:timers/promises'

/** Beside it a turn has to read from sockets, and may have some milliseconds of garbage to collect. */
const SLICE_MS = 3

export class Slices {
  #endMs = 0

  /** Has this turn of the event loop done enough? */
  get used(): boolean {
    return performance.now() >= this.#endMs
  }

  /** To be called before each piece of work: lets the event loop go round where the slice is used up. */
  async breathe(): Promise<void> {
    if (!this.used) return
    await setImmediate()
    this.#endMs = performance.now() + SLICE_MS
  }
}
