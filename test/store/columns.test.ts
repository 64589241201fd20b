import t from 'tap'
import { CONTAINER_METRICS, FLOW_METRICS, HEALTH_METRICS, RTT, TIME_BUCKETS } from '../../src/metrics.ts'
import { CONTAINER_COLUMNS, DROP_COLUMNS, FAILURE_COLUMNS, flowColumns, timeColumns } from '../../src/store/columns.ts'
import { MEASURES } from '../../src/store/numbers.ts'

t.test('every metric of flows, containers and health has its columns, in the order of metrics.ts', async (t) => {
  const named = (columns: ReturnType<typeof flowColumns>) => [...new Set(columns.map((column) => column.series.metric))]
  t.same(named(flowColumns(true)), [...FLOW_METRICS])
  t.same(named(flowColumns(false)), [...FLOW_METRICS])
  t.same(named(CONTAINER_COLUMNS), [...CONTAINER_METRICS])
  const times = HEALTH_METRICS.filter(({ type }) => type === 'histogram').flatMap(timeColumns)
  const health = [...FAILURE_COLUMNS, ...times, ...DROP_COLUMNS].map(({ metric }) => metric)
  t.same([...new Set(health)], [...HEALTH_METRICS])
})

t.test('no number is in two columns, whether directions are told apart or summed', async (t) => {
  for (const direction of [true, false]) {
    const measures = flowColumns(direction).flatMap((column) => [...column.measures])
    t.same(measures.toSorted(), Object.values(MEASURES).toSorted())
  }
})

t.test('sent is egress and received is ingress', async (t) => {
  for (const columns of [flowColumns(true), CONTAINER_COLUMNS]) {
    const measuresOf = (direction: string) =>
      columns.filter((column) => column.series.labelValue === direction).flatMap((column) => [...column.measures])
    t.same(measuresOf('egress'), [MEASURES.sentBytes, MEASURES.sentPackets])
    t.same(measuresOf('ingress'), [MEASURES.receivedBytes, MEASURES.receivedPackets])
  }
})

t.test('a column adds a label only where its metric has more than one column', async (t) => {
  for (const { series } of flowColumns(false)) t.notOk('labelName' in series)
  t.same(new Set(flowColumns(true).map(({ series }) => series.labelName)), new Set(['direction', undefined]))
})

t.test('a histogram has a column a bucket, bounds rising to infinity, and one for the sum', async (t) => {
  const bounds = timeColumns(RTT).map(({ bound }) => bound)
  t.same(bounds, [...TIME_BUCKETS, Number.POSITIVE_INFINITY, undefined])
  for (const [power, bound] of TIME_BUCKETS.entries()) t.ok(Math.abs(bound / (16e-6 * 4 ** power) - 1) < 1e-12)
})
