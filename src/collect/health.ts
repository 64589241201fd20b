// Reads what was seen of a flow's health out of the kernel's bytes. Knows the layout; nothing of whose it is.
import { HEALTH } from '../kernel/layouts.ts'
import { CONNECT_FAILURES, TIME_BUCKETS } from '../metrics.ts'
import type { HealthCounts, TimeCounts } from '../model.ts'

const BUCKETS = TIME_BUCKETS.length + 1
const US_PER_S = 1e6

/** Shared: most entries have neither a failure nor both kinds of times. */
const NEVER_FAILED: readonly number[] = Object.freeze(CONNECT_FAILURES.map(() => 0))
const NO_TIMES: TimeCounts = Object.freeze({ buckets: Object.freeze(Array.from({ length: BUCKETS }, () => 0)), sum: 0 })

/** Reads a `struct health`. Sums are exact to 2^53 us. */
export function decodeHealth(values: Buffer, at: number): HealthCounts {
  return {
    failed: failures(values, at + HEALTH.failed),
    rtt: times(values, at + HEALTH.rtt, at + HEALTH.rttSumUs),
    connect: times(values, at + HEALTH.connect, at + HEALTH.connectSumUs),
    listenOverflows: values.readUInt32LE(at + HEALTH.listenOverflows),
    receiveDrops: values.readUInt32LE(at + HEALTH.receiveDrops),
  }
}

function failures(values: Buffer, at: number): readonly number[] {
  const failed = words(values, at, CONNECT_FAILURES.length)
  return failed.every((count) => count === 0) ? NEVER_FAILED : failed
}

/** No sample is below 1 us: where the sum is 0 there is none. */
function times(values: Buffer, at: number, sumAt: number): TimeCounts {
  const us = values.readUInt32LE(sumAt + 4) * 4294967296 + values.readUInt32LE(sumAt)
  return us === 0 ? NO_TIMES : { buckets: words(values, at, BUCKETS), sum: us / US_PER_S }
}

function words(values: Buffer, at: number, count: number): number[] {
  const read: number[] = []
  for (let i = 0; i < count; i++) read.push(values.readUInt32LE(at + 4 * i))
  return read
}
