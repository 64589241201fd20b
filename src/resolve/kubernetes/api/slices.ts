// Divides long work, so that a scrape never waits for it. Knows time only.
import { setImmediate } from 'node:timers/promises'

/** Between two looks at the clock up to a chunk of 64 KiB is parsed, some 2 ms. */
const SLICE_MS = 4

export class Slices {
  #endMs = 0

  /** To be called before each piece of work: lets the event loop go round where the slice is used up. */
  async breathe(): Promise<void> {
    if (performance.now() < this.#endMs) return
    await setImmediate()
    this.#endMs = performance.now() + SLICE_MS
  }
}
