// How late the event loop is, from one reading to the next. A timer measures it: what it finds late is what anything else would.
// Knows nothing of metrics.
import { createHistogram, type RecordableHistogram } from 'node:perf_hooks'

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
  /** For one reader alone: answers the delay since its last reading, undefined where nothing was measured since then. */
  open(): () => Lag | undefined
}

/**
 * Node's own monitorEventLoopDelay counts the timer's 10 ms as delay, and forgets where it was when it is reset: it does not see the
 * work that follows a reading, which with a scrape is the most there is.
 */
export function watchLoop(): LoopLag {
  const windows: RecordableHistogram[] = []
  let lastMs = performance.now()
  setInterval(() => {
    const nowMs = performance.now()
    // A histogram of whole numbers from 1 on.
    const lateNs = Math.max(1, Math.round((nowMs - lastMs - EVERY_MS) * 1e6))
    for (const window of windows) window.record(lateNs)
    lastMs = nowMs
  }, EVERY_MS).unref()
  return {
    open() {
      const window = createHistogram()
      windows.push(window)
      return () => {
        const lag = lagOf(window)
        window.reset()
        return lag
      }
    },
  }
}

function lagOf(histogram: RecordableHistogram): Lag | undefined {
  if (histogram.count === 0) return undefined
  return {
    min: histogram.min / 1e9,
    max: histogram.max / 1e9,
    mean: histogram.mean / 1e9,
    stddev: histogram.stddev / 1e9,
    p50: histogram.percentile(50) / 1e9,
    p90: histogram.percentile(90) / 1e9,
    p99: histogram.percentile(99) / 1e9,
  }
}
