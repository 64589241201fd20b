import type { Histogram } from '@opentelemetry/sdk-metrics'
import t from 'tap'
import type { Metric, SeriesColumn } from '../../../src/model.ts'
import { SEPARATOR } from '../../../src/publish/otlp/messages.ts'
import { Mirror, type Temporality } from '../../../src/publish/otlp/mirror.ts'
import type { OurPoint, Point } from '../../../src/publish/otlp/points.ts'
import { shapeOf } from '../../../src/publish/otlp/shape.ts'

const metric = (name: string, type: Metric['type'], unit: string): Metric => ({ name, type, unit, labels: [], help: 'help' })
const FAILED = metric('orb8_tcp_connect_failures_total', 'counter', '{connection}')
const OPEN = metric('orb8_active_flows', 'gauge', '{connection}')
const RTT = metric('orb8_tcp_rtt_seconds', 'histogram', 's')

const COLUMNS: readonly SeriesColumn[] = [
  { metric: FAILED, labelName: 'reason', labelValue: 'refused', tcpOnly: true },
  { metric: FAILED, labelName: 'reason', labelValue: 'timeout', tcpOnly: true },
  { metric: OPEN, tcpOnly: false },
  ...[0.1, 0.2, Number.POSITIVE_INFINITY].map((bound) => ({ metric: RTT, bound, tcpOnly: false })),
  { metric: RTT, tcpOnly: false },
]

function mirror(deltas: Temporality): Mirror {
  const made = new Mirror(shapeOf({ type: 'table', table: 0, labelNames: ['workload', 'pod'], columns: COLUMNS }), deltas)
  made.addRows([
    { id: 1, startMs: 1000, tcp: true, labels: ['a', ''].join(SEPARATOR) },
    { id: 2, startMs: 2000, tcp: false, labels: ['b', 'p'].join(SEPARATOR) },
  ])
  made.setValues(Float64Array.from([1, 2, 3, 4, 5, 6, 0.7, 10, 20, 30, 40, 50, 60, 7]), Float64Array.of(1, 2))
  return made
}

const byName = (made: Mirror, timeMs: number): Map<string, OurPoint[]> => {
  const found = new Map<string, OurPoint[]>()
  for (const { cell, points } of made.points(timeMs)) found.set(cell.metric.name, [...(found.get(cell.metric.name) ?? []), ...points])
  return found
}
const settle = (made: Mirror, timeMs: number): void => {
  for (const points of byName(made, timeMs).values()) for (const point of points) point.settle?.('taken')
}

t.test('columns become points: labels of their own, TCP alone where it is, gauges without a start', async (t) => {
  const points = byName(mirror({ sums: false, histograms: false }), 5000)
  t.strictSame(
    points.get(FAILED.name)?.map(({ attributes, value, startTime, endTime }) => ({ attributes, value, startTime, endTime })),
    [
      { attributes: { 'orb8.workload.name': 'a', 'orb8.reason': 'refused' }, value: 1, startTime: [1, 0], endTime: [5, 0] },
      { attributes: { 'orb8.workload.name': 'a', 'orb8.reason': 'timeout' }, value: 2, startTime: [1, 0], endTime: [5, 0] },
    ],
  )
  t.strictSame(
    points.get(OPEN.name)?.map(({ startTime, value }) => [startTime, value]),
    [
      [[0, 0], 3],
      [[0, 0], 30],
    ],
  )
})

t.test('columns with bounds are one histogram, with explicit bounds and one bucket more', async (t) => {
  const [first, second] = byName(mirror({ sums: false, histograms: false }), 5000).get(RTT.name) ?? []
  t.strictSame(first?.value, { buckets: { boundaries: [0.1, 0.2], counts: [4, 5, 6] }, sum: 0.7, count: 15 })
  t.strictSame(second?.attributes, { 'orb8.workload.name': 'b', 'k8s.pod.name': 'p' })
})

t.test('differences of histograms too, bucket by bucket, and none of what stands still', async (t) => {
  const made = mirror({ sums: true, histograms: true })
  settle(made, 5000)
  made.setValues(Float64Array.from([1, 3, 3, 4, 6, 6, 0.9, 10, 20, 30, 40, 50, 60, 7]))
  const points = byName(made, 6000)
  t.strictSame(
    points.get(FAILED.name)?.map(({ value, startTime }) => [value, startTime]),
    [[1, [5, 0]]],
  )
  t.equal(points.get(RTT.name)?.length, 1)
  const [moved] = (points.get(RTT.name) ?? []) as Point<Histogram>[]
  const { buckets = { counts: [] }, sum = 0, count } = moved?.value ?? {}
  t.strictSame([buckets.counts, count], [[0, 1, 0], 1])
  t.ok(Math.abs(sum - 0.2) < 1e-9)
  t.equal(points.get(OPEN.name)?.length, 2, 'a gauge is told each time')
})

t.test('histograms alone can be differences', async (t) => {
  const made = mirror({ sums: false, histograms: true })
  settle(made, 5000)
  const points = byName(made, 6000)
  t.equal(points.get(FAILED.name)?.length, 2)
  t.equal(points.get(RTT.name)?.length, 0)
})

t.test('what comes after something in doubt waits, and it says so', async (t) => {
  const made = mirror({ sums: true, histograms: true })
  for (const points of byName(made, 5000).values()) for (const point of points) point.settle?.('doubtful')
  t.notOk(made.behind)
  made.setValues(Float64Array.from([2, 3, 3, 4, 5, 6, 0.7, 10, 20, 30, 40, 50, 60, 7]))
  settle(made, 6000)
  t.ok(made.behind)
  settle(made, 6000)
  t.notOk(made.behind)
})

t.test('a row that left is told until it was taken, and then forgotten', async (t) => {
  const made = mirror({ sums: true, histograms: true })
  settle(made, 5000)
  made.addLeft([{ id: 1, startMs: 1000, tcp: true, labels: `a${SEPARATOR}` }], Float64Array.from([5, 2, 9, 4, 5, 6, 0.7]))
  made.setValues(Float64Array.from([10, 20, 30, 40, 50, 60, 7]), Float64Array.of(2))
  for (const timeMs of [6000, 7000]) {
    const [left, ...more] = byName(made, timeMs).get(FAILED.name) ?? []
    t.match(left, { value: 4, startTime: [5, 0], endTime: [timeMs / 1000, 0] })
    t.same(more, [])
    t.equal(byName(made, timeMs).get(OPEN.name)?.length, 1, 'no gauge of it')
  }
  settle(made, 8000)
  t.same(byName(made, 9000).get(FAILED.name), [])
})

t.test('rows that leave for ever untaken are bounded', async (t) => {
  const made = mirror({ sums: true, histograms: true })
  const rows = (from: number) =>
    Array.from({ length: 6000 }, (_, index) => ({ id: from + index, startMs: 0, tcp: true, labels: `x${SEPARATOR}` }))
  const values = new Float64Array(6000 * COLUMNS.length).fill(1)
  t.equal(made.addLeft(rows(10), values), 0)
  t.equal(made.addLeft(rows(10_000), values), 2000)
})
