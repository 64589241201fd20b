// Shares collections among all who want one: who asks joins a collection that begins after it asked. Knows when collections
// begin, end, fail and hang; nothing of what they collect or who asks.

export interface Verdict {
  readonly ok: boolean
  /** `ok`, or what is wrong, in one line. */
  readonly reason: string
}

export interface Rounds<T> {
  /** Equal promises for all who share a collection. Rejects with the collection's error. */
  join(): Promise<T>
  /** Not ok once collecting has failed three times in a row, or stands still. */
  health(): Verdict
}

export interface RoundsOptions {
  /** A collection that runs longer stands still, ms. */
  readonly stuckAfterMs?: number
  /** A clock that never goes back, ms. */
  readonly nowMs?: () => number
}

/** Failures in a row that are more than bad luck. */
const FAILURES = 3

/** At most one collection runs and one waits for it to end, however many ask. */
export function createRounds<T>(collect: () => Promise<T>, options: RoundsOptions = {}): Rounds<T> {
  const { stuckAfterMs = 30_000, nowMs = () => performance.now() } = options
  let running: Promise<T> | undefined
  let waiting: Promise<T> | undefined
  let beganMs = 0
  let failures = 0
  let lastError: unknown

  const run = async (): Promise<T> => {
    beganMs = nowMs()
    try {
      // In a function of its own, so that one that throws at once fails a moment later like all others.
      const collected = await (async () => collect())()
      failures = 0
      return collected
    } catch (error) {
      failures++
      lastError = error
      throw error
    } finally {
      running = undefined
    }
  }
  const begin = (): Promise<T> => {
    waiting = undefined
    running = run()
    return running
  }

  return {
    join() {
      if (running !== undefined) waiting ??= running.then(begin, begin)
      const round = waiting ?? begin()
      // Those who still want it hear of an error; that all have gone is no crash.
      round.catch(() => undefined)
      return round
    },
    health() {
      const ranMs = running === undefined ? 0 : nowMs() - beganMs
      if (ranMs > stuckAfterMs) return { ok: false, reason: `a collection has been running for ${Math.round(ranMs / 1000)} s` }
      if (failures < FAILURES) return { ok: true, reason: 'ok' }
      return { ok: false, reason: `collecting failed ${failures} times in a row: ${oneLine(lastError)}` }
    },
  }
}

function oneLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).replace(/\s+/g, ' ')
}
