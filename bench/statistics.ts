// Medians, spread, and how far a ratio of medians can be trusted. Knows numbers; nothing of what they measure.

export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  const at = (sorted.length - 1) * share
  const low = sorted[Math.floor(at)] ?? Number.NaN
  const high = sorted[Math.ceil(at)] ?? Number.NaN
  return low + (high - low) * (at - Math.floor(at))
}

export const median = (values: readonly number[]): number => quantile(values, 0.5)

/** A ratio of medians and the interval that holds it in 95 of 100 repetitions. */
export interface Ratio {
  readonly value: number
  readonly low: number
  readonly high: number
}

/** Runs that lay side by side in time. */
export interface Block {
  readonly above: readonly number[]
  readonly below: readonly number[]
}

const RESAMPLES = 4000

/** Median of all `above` to median of all `below`. Whole blocks are drawn again, so that drift they share stays shared. */
export function ratioOfMedians(blocks: readonly Block[]): Ratio {
  const ratio = (drawn: readonly Block[]): number =>
    median(drawn.flatMap(({ above }) => above)) / median(drawn.flatMap(({ below }) => below))
  const random = randomFrom(1)
  const resampled = Array.from({ length: RESAMPLES }, () => ratio(blocks.map(() => blocks[Math.floor(random() * blocks.length)] as Block)))
  return { value: ratio(blocks), low: quantile(resampled, 0.025), high: quantile(resampled, 0.975) }
}

/** The same numbers give the same interval: a linear congruential generator is random enough to draw blocks. */
function randomFrom(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
}
