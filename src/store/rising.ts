// Counters of devices that start anew when a driver is loaded again, and wrap: made to rise for as long as the process lives. Knows
// numbers; nothing of what they count.

/** Devices times counters of a machine full of both; 100 B each. The one that was asked for longest ago goes first. */
const MOST = 8192
/** A 32-bit counter that wrapped was near its end before and is near its beginning after; all else that falls was reset. */
const NEAR = 0.25

export interface RisingOptions {
  /** Where a counter of 32 bits begins anew, in the unit of `raw`. */
  readonly wrapsAt?: number
  /** A fall by no more is no reset: who told it last was ahead. The highest stands until it is reached again. */
  readonly slack?: number
}

interface Known {
  readonly raw: number
  readonly base: number
}

export class Rising {
  readonly #known = new Map<string, Known>()
  readonly #most: number

  constructor(most: number = MOST) {
    this.#most = most
  }

  /** `raw` itself until it falls; from then on what was lost is added. What a counter did between its last reading and its reset nobody knows. */
  total(key: string, raw: number, { wrapsAt, slack = 0 }: RisingOptions = {}): number {
    const before = this.#known.get(key)
    const lags = before !== undefined && raw < before.raw && raw >= before.raw - slack
    const now = lags ? before.raw : raw
    const base = before === undefined ? 0 : before.base + (now < before.raw ? lost(before.raw, now, wrapsAt) : 0)
    this.#known.delete(key)
    this.#known.set(key, { raw: now, base })
    if (this.#known.size > this.#most) this.#known.delete(this.#known.keys().next().value ?? '')
    return base + now
  }
}

function lost(before: number, raw: number, wrapsAt: number | undefined): number {
  const wrapped = wrapsAt !== undefined && before < wrapsAt && before >= wrapsAt * (1 - NEAR) && raw < wrapsAt * NEAR
  return wrapped ? wrapsAt : before
}
