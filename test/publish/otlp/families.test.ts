import type { Histogram } from '@opentelemetry/sdk-metrics'
import t from 'tap'
import { Families, type FamilyPoints } from '../../../src/publish/otlp/families.ts'
import type { Temporality } from '../../../src/publish/otlp/mirror.ts'
import type { Point } from '../../../src/publish/otlp/points.ts'
import type { Family } from '../../../src/publish/text.ts'

const STARTS: ConstructorParameters<typeof Families>[1] = { startMs: 1000, keptStartMs: 500, delivered: 'none' }
const CUMULATIVE: Temporality = { sums: false, histograms: false }
const DELTA: Temporality = { sums: true, histograms: true }

const counter = (name: string, value: number): Family => ({
  name,
  type: 'counter',
  unit: '',
  help: 'h',
  samples: [{ suffix: '', labels: { program: 'a' }, value }],
})

const duration = (below: readonly number[], sum: number): Family => ({
  name: 'orb8_collection_duration_seconds',
  type: 'histogram',
  unit: 's',
  help: 'h',
  samples: [
    ...below.map((value, index) => ({ suffix: '_bucket', labels: { collector: 'flows', le: [0.1, 0.2, '+Inf'][index] ?? '' }, value })),
    { suffix: '_sum', labels: { collector: 'flows' }, value: sum },
    { suffix: '_count', labels: { collector: 'flows' }, value: below.at(-1) ?? 0 },
  ],
})

const points = (families: Families, given: readonly Family[], timeMs: number): FamilyPoints[] => [...families.points(given, timeMs)]
const take = (told: readonly FamilyPoints[]): void => {
  for (const { points } of told) for (const point of points) point.settle?.('taken')
}

t.test("Prometheus' buckets hold all below them, OpenTelemetry's their own", async (t) => {
  const [told] = points(new Families(CUMULATIVE, STARTS), [duration([2, 5, 9], 1.5)], 2000)
  const [point] = told?.points ?? []
  t.strictSame(point?.value, { buckets: { boundaries: [0.1, 0.2], counts: [2, 3, 4] }, sum: 1.5, count: 9 })
  t.strictSame([point?.attributes, point?.startTime, point?.endTime], [{ 'orb8.collector': 'flows' }, [1, 0], [2, 0]])
})

t.test('differences are taken against what was taken', async (t) => {
  const families = new Families(DELTA, STARTS)
  take(points(families, [counter('orb8_a_total', 5), duration([2, 5, 9], 1.5)], 2000))
  const [sum, histogram] = points(families, [counter('orb8_a_total', 7), duration([2, 6, 10], 1.75)], 3000)
  t.match(sum?.points, [{ value: 2, startTime: [2, 0], endTime: [3, 0] }])
  const [moved] = (histogram?.points ?? []) as Point<Histogram>[]
  const { buckets = { counts: [] }, count } = moved?.value ?? {}
  t.strictSame([buckets.counts, count], [[0, 1, 0], 1])
  take([sum, histogram].filter((told) => told !== undefined))
  t.same(
    points(families, [counter('orb8_a_total', 7), duration([2, 6, 10], 1.75)], 4000).map((told) => told.points.length),
    [0, 0],
  )
})

t.test('counters that outlive the process begin with it no more, and an earlier one has delivered them', async (t) => {
  const kept = counter('orb8_flow_overflow_total', 5)
  t.match(points(new Families(CUMULATIVE, STARTS), [kept], 2000)[0]?.points, [{ startTime: [0, 500_000_000], value: 5 }])
  const goesOn = new Families(DELTA, { ...STARTS, delivered: 'kept' })
  t.same(points(goesOn, [kept], 2000)[0]?.points, [])
  t.equal(points(goesOn, [counter('orb8_a_total', 5)], 2000)[0]?.points.length, 1, 'others are its own')
  t.same(points(new Families(DELTA, { ...STARTS, delivered: 'all' }), [counter('orb8_a_total', 5)], 2000)[0]?.points, [])
  t.match(points(goesOn, [counter('orb8_flow_overflow_total', 8)], 3000)[0]?.points, [{ value: 3, startTime: [2, 0] }])
})

const energy = (pod: string, value: number): Family => ({
  name: 'orb8_gpu_energy_joules_total',
  type: 'counter',
  unit: 'J',
  help: 'h',
  samples: [{ suffix: '', labels: { pod, gpu: '0' }, value, startMs: 250 }],
})

t.test('a counter that began before the process has its own start, and differences from first sight on', async (t) => {
  const told = points(new Families(CUMULATIVE, STARTS), [energy('a', 9000)], 2000)
  t.match(told[0]?.points, [{ value: 9000, startTime: [0, 250_000_000], endTime: [2, 0] }])
  t.same(told[0]?.points[0]?.attributes, { 'k8s.pod.name': 'a', 'orb8.gpu.index': '0' })
  const families = new Families(DELTA, STARTS)
  t.same(points(families, [energy('a', 9000)], 2000)[0]?.points, [], 'nothing of it was added since')
  const next = points(families, [energy('a', 9100)], 3000)
  t.match(next[0]?.points, [{ value: 100, startTime: [2, 0], endTime: [3, 0] }])
  take(next)
  t.same(points(families, [energy('b', 9200)], 4000)[0]?.points, [], 'the next holder begins anew')
  t.match(points(families, [energy('a', 9300)], 5000)[0]?.points, [{ value: 200, startTime: [3, 0] }], 'one that comes back goes on')
})

t.test('of too many series the one told longest ago is forgotten', async (t) => {
  const families = new Families(DELTA, STARTS, 2)
  for (const pod of ['a', 'b', 'a', 'c']) points(families, [energy(pod, 9000)], 2000)
  const seen = (pod: string) => points(families, [energy(pod, 9001)], 3000)[0]?.points.length
  t.strictSame([seen('a'), seen('b')], [1, 0])
})

t.test("labels of Node's and the process' metrics keep their names", async (t) => {
  const family: Family = {
    name: 'nodejs_gc',
    type: 'gauge',
    unit: '',
    help: '',
    samples: [{ suffix: '', labels: { kind: 'minor' }, value: 1 }],
  }
  t.strictSame(points(new Families(DELTA, STARTS), [family], 2000)[0]?.points[0]?.attributes, { kind: 'minor' })
})
