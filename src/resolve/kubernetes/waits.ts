// How long the traffic of a container may wait for its name. Knows keys and a clock; holds no traffic.

/** As the contract promises. */
const PATIENCE_MS = 10_000
/** A node's containers at the start of the exporter: 110 to 500 pods with a few each. */
const MAX_WAITING = 4096

export interface WaitsOptions {
  /** Monotonic, ms. */
  readonly nowMs: () => number
  readonly maxWaiting?: number
}

export class Waits {
  readonly #nowMs: () => number
  readonly #maxWaiting: number
  /** When each was first asked for; the oldest first. */
  readonly #since = new Map<string, number>()
  #refused = 0

  constructor(options: WaitsOptions) {
    this.#nowMs = options.nowMs
    this.#maxWaiting = options.maxWaiting ?? MAX_WAITING
  }

  /** Turned away because too many wait. */
  get refused(): number {
    return this.#refused
  }

  /** May this one wait still? Once its time is over it stays so while it is remembered. */
  mayWait(key: string): boolean {
    const nowMs = this.#nowMs()
    const known = this.#since.get(key)
    if (known !== undefined) return nowMs - known < PATIENCE_MS
    for (const [oldest, sinceMs] of this.#since.size >= this.#maxWaiting ? this.#since : []) {
      if (nowMs - sinceMs < PATIENCE_MS) {
        this.#refused++
        return false
      }
      this.#since.delete(oldest)
      break
    }
    this.#since.set(key, nowMs)
    return true
  }

  /** It has its name. */
  named(key: string): void {
    this.#since.delete(key)
  }
}
