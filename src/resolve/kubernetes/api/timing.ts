// Everything in listing and watching that takes time or chance, so that a test can have its own. Knows no protocol.
import { setTimeout as sleep } from 'node:timers/promises'

export interface Timing {
  /** From 0 to 1, without 1. */
  readonly random: () => number
  /** Rejects at once when `signal` aborts. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<unknown>
  /** ms since the epoch. */
  readonly now: () => number
  /** ms, never set back. */
  readonly elapsed: () => number
  /** A list in which nothing comes for so long is given up. The server's own limit for answering is a minute. */
  readonly listSilenceMs: number
  /** A watch too. Its first bookmark may take a minute, the later ones come once a minute. */
  readonly watchSilenceMs: number
  /** A server that ends watches sooner than this is asked at the pace of failures. */
  readonly shortWatchMs: number
}

export const TIMING: Timing = {
  random: Math.random,
  sleep: (ms, signal) => sleep(ms, undefined, { signal }),
  now: Date.now,
  elapsed: () => performance.now(),
  listSilenceMs: 75_000,
  watchSilenceMs: 120_000,
  shortWatchMs: 1000,
}
