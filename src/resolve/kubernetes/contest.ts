// Who had an address when, where several were given it one after the other. Knows times; nothing of pods.

export interface Claimant {
  /** Of two who have one address at once, the later one has it by right. Any unit. */
  readonly startedS: number
}

interface Claim<R> {
  readonly claimant: R
  /** When we heard of it, ms; -Infinity for the first. */
  readonly sinceMs: number
  /** When we heard of its end; Infinity while there is none. */
  untilMs: number
}

/** Others have had the address before: an address that changes hands more often within a collection is given to the last few. */
const MAX_CLAIMS = 16

/** The clock is our own, as drains and news are told by it; the claimants' clock only says who came first. */
export class Contest<R extends Claimant> {
  #claims: Claim<R>[] = []

  /** `first` has had the address until now. */
  constructor(first: R) {
    this.#claims.push({ claimant: first, sinceMs: Number.NEGATIVE_INFINITY, untilMs: Number.POSITIVE_INFINITY })
  }

  claim(claimant: R, nowMs: number): void {
    if (this.#claims.some((claim) => claim.claimant === claimant && claim.untilMs === Number.POSITIVE_INFINITY)) return
    const made = { claimant, sinceMs: nowMs, untilMs: Number.POSITIVE_INFINITY }
    const after = this.#claims.findIndex((claim) => claim.claimant.startedS > claimant.startedS)
    this.#claims.splice(after === -1 ? this.#claims.length : after, 0, made)
    if (this.#claims.length > MAX_CLAIMS) this.#claims.shift()
  }

  release(claimant: R, nowMs: number): void {
    for (const claim of this.#claims) if (claim.claimant === claimant && claim.untilMs > nowMs) claim.untilMs = nowMs
  }

  /**
   * Who had it for the longest part of the time between; of equals the one that has it still. A drain of the kernel's counts cannot be
   * parted, so all of it goes to one.
   */
  holder(fromMs: number, toMs: number): R | undefined {
    let best: Claim<R> | undefined
    let bestMs = Number.NEGATIVE_INFINITY
    let startMs = Number.NEGATIVE_INFINITY
    for (const [index, claim] of this.#claims.entries()) {
      let endMs = claim.untilMs
      for (const later of this.#claims.slice(index + 1)) endMs = Math.min(endMs, later.sinceMs)
      if (endMs <= startMs) continue
      const sharedMs = Math.min(endMs, toMs) - Math.max(startMs, fromMs)
      if (sharedMs >= 0 && sharedMs >= bestMs) [best, bestMs] = [claim, sharedMs]
      startMs = endMs
    }
    return best === undefined ? this.current() : best.claimant
  }

  /** Who has it still; of several the one that came last. */
  current(): R | undefined {
    return this.#claims.findLast((claim) => claim.untilMs === Number.POSITIVE_INFINITY)?.claimant
  }

  /** Forgets who gave it back before `beforeMs`. Gives the one that is left alone and has it still, or `nobody`, or undefined for several. */
  settle(beforeMs: number): R | 'nobody' | undefined {
    this.#claims = this.#claims.filter((claim) => claim.untilMs >= beforeMs)
    const [only, ...others] = this.#claims
    if (only === undefined) return 'nobody'
    return others.length === 0 && only.untilMs === Number.POSITIVE_INFINITY ? only.claimant : undefined
  }
}
