// How late the event loop is, from one reading to the next. A timer measures it: what it finds late is what anything else would.
// Knows nothing of metrics.
import { createHistogram } from 'node:perf_hooks'

/** The loop is looked at so often: a wait shorter than this shows in part, and each look costs some 0.1 ms of CPU. */
const EVERY_MS = 20

/** s. */
export interface Lag {
  readonly min: number
  readonly max: number
  readonly mean: number
  readonly stddev: number
  readonly p50: number
  readonly p90: number
  readonly p99: number
}

export interface LoopLag {
  /** Since the last reading; undefined where nothing was measured since then. */
  read(): Lag | undefined
}

/**
 * Node's own monitorEventLoopDelay counts the timer's 10 ms as delay, and forgets where it was when it is reset: it does not see the
 * work that follows a reading, which with a scrape is the most there is.
 */
export function watchLoop(): LoopLag {
  const histogram = createHistogram()
  let lastMs = performance.now()
  setInterval(() => {
    const nowMs = performance.now()
    // A histogram of whole numbers from 1 on.
    histogram.record(Math.max(1, Math.round((nowMs - lastMs - EVERY_MS) * 1e6)))
    lastMs = nowMs
  }, EVERY_MS).unref()
  return {
    read() {
      if (histogram.count === 0) return undefined
      const lag = {
        min: histogram.min / 1e9,
        max: histogram.max / 1e9,
        mean: histogram.mean / 1e9,
        stddev: histogram.stddev / 1e9,
        p50: histogram.percentile(50) / 1e9,
        p90: histogram.percentile(90) / 1e9,
        p99: histogram.percentile(99) / 1e9,
      }
      histogram.reset()
      return lag
    },
  }
}
