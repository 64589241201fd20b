import t from 'tap'
import { decodeHealth } from '../../src/collect/health.ts'
import { HEALTH } from '../../src/kernel/layouts.ts'
import { CONNECT_FAILURES, TIME_BUCKETS } from '../../src/metrics.ts'

/** Two entries end to end, of which the second is filled with numbers that are each only once there. */
function filled(): Buffer {
  const values = Buffer.alloc(2 * HEALTH.size)
  for (let at = HEALTH.size; at < HEALTH.size + HEALTH.rttSumUs; at += 4) values.writeUInt32LE(at, at)
  values.writeBigUInt64LE(3_000_000_000_000n, HEALTH.size + HEALTH.rttSumUs)
  values.writeBigUInt64LE(1n, HEALTH.size + HEALTH.connectSumUs)
  return values
}

const every4 = (from: number, count: number): number[] => Array.from({ length: count }, (_, i) => HEALTH.size + from + 4 * i)

t.test('every number is where the kernel put it, times in seconds', async (t) => {
  t.same(decodeHealth(filled(), HEALTH.size), {
    failed: every4(0, 6),
    rtt: { buckets: every4(24, 12), sum: 3_000_000 },
    connect: { buckets: every4(72, 12), sum: 0.000001 },
    listenOverflows: HEALTH.size + 120,
    receiveDrops: HEALTH.size + 124,
  })
})

t.test('an entry of zeroes reads as zeroes', async (t) => {
  const none = { buckets: Array.from({ length: 12 }, () => 0), sum: 0 }
  t.same(decodeHealth(filled(), 0), { failed: [0, 0, 0, 0, 0, 0], rtt: none, connect: none, listenOverflows: 0, receiveDrops: 0 })
})

t.test('counters go to the end of their 32 bits', async (t) => {
  const values = Buffer.alloc(HEALTH.size, 0xff)
  const { failed, receiveDrops, rtt } = decodeHealth(values, 0)
  t.same([failed[5], receiveDrops, rtt.buckets[11]], [4294967295, 4294967295, 4294967295])
})

t.test('the kernel has a counter for every reason and every bucket of the metrics', async (t) => {
  t.equal(HEALTH.rtt - HEALTH.failed, 4 * CONNECT_FAILURES.length)
  t.equal(HEALTH.connect - HEALTH.rtt, 4 * (TIME_BUCKETS.length + 1))
  t.equal(HEALTH.listenOverflows - HEALTH.connect, 4 * (TIME_BUCKETS.length + 1))
})
