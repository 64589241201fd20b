// A map that forgets what was not asked for lately. Knows counts and time; nothing of what it keeps.

/**
 * Names of workloads that have gone keep their rows in memory. A tenth of a millisecond brings back what was forgotten too early.
 */
const IDLE_MS = 30_000

export interface BoundedCacheOptions {
  /** What was not asked for in so long goes, in twice as long at the latest, where anything is put in meanwhile. */
  readonly idleMs?: number
  /** A clock that never goes back, ms. */
  readonly nowMs?: () => number
}

/**
 * Holds at most `maxEntries`. Two halves: where the young half is full, or old enough, it becomes the old one and the old one goes, so
 * that making room never takes a pause and what is asked for again stays.
 */
export class BoundedCache<K, V> {
  #young = new Map<K, V>()
  #old = new Map<K, V>()
  readonly #half: number
  readonly #idleMs: number
  readonly #nowMs: () => number
  /** When the young half began. */
  #sinceMs: number

  constructor(maxEntries: number, { idleMs = IDLE_MS, nowMs = () => performance.now() }: BoundedCacheOptions = {}) {
    this.#half = Math.max(1, Math.floor(maxEntries / 2))
    this.#idleMs = idleMs
    this.#nowMs = nowMs
    this.#sinceMs = nowMs()
  }

  get size(): number {
    return this.#young.size + this.#old.size
  }

  get(key: K): V | undefined {
    const young = this.#young.get(key)
    if (young !== undefined) return young
    const old = this.#old.get(key)
    if (old !== undefined) this.set(key, old)
    return old
  }

  set(key: K, value: V): void {
    this.#old.delete(key)
    this.#young.set(key, value)
    if (this.#young.size < this.#half && this.#nowMs() - this.#sinceMs < this.#idleMs) return
    this.#old = this.#young
    this.#young = new Map()
    this.#sinceMs = this.#nowMs()
  }
}
