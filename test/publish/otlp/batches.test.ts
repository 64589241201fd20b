import { resourceFromAttributes } from '@opentelemetry/resources'
import type { MetricData, ResourceMetrics } from '@opentelemetry/sdk-metrics'
import t from 'tap'
import { TIME_BUCKETS } from '../../../src/metrics.ts'
import { batchesOf } from '../../../src/publish/otlp/batches.ts'
import { labelsOf } from '../../../src/publish/otlp/labels.ts'
import { metricData } from '../../../src/publish/otlp/metric-data.ts'
import { histogramPoint, hrTime, numberPoint, type OurPoint, pointsOf } from '../../../src/publish/otlp/points.ts'

const end = hrTime(1_700_000_000_000)
// Empty, long, and of several bytes a character.
const TEXTS = ['', 'a', 'ä€😀', 'x'.repeat(300), '€'.repeat(9000)]
type Pairs = readonly (readonly [name: string, value: string | number])[]
const long = (index: number): Pairs => [
  ['peer', TEXTS[index % TEXTS.length] ?? ''],
  ['index', index],
]
/** Here what stands around a text weighs most. */
const short = (): Pairs => ['a', 'b', 'c', 'd', 'e', 'f'].map((name) => [name, 'x'] as const)

function metric(name: string, type: 'counter' | 'histogram', count: number, pairs: (index: number) => Pairs = long): MetricData {
  const points = Array.from({ length: count }, (_, index): OurPoint => {
    const labels = labelsOf(pairs(index))
    if (type === 'counter') return numberPoint({ labels, start: end, end, value: index })
    return histogramPoint({ labels, start: end, end, value: { counts: [...TIME_BUCKETS, index], bounds: TIME_BUCKETS, sum: 5 } })
  })
  return metricData({ name, type, unit: type === 'counter' ? 'By' : 's', help: 'help' }, points, false)
}

const METRICS = [metric('a_total', 'counter', 500), metric('b_seconds', 'histogram', 300), metric('c_total', 'counter', 0)]
const REQUEST = {
  resource: resourceFromAttributes({ 'service.name': 'orb8', where: 'x'.repeat(1000) }),
  scopeMetrics: [{ scope: { name: 'orb8', version: '1.2.3' }, metrics: METRICS }],
}

t.test('every point is in one batch, in order', async (t) => {
  const wanted = METRICS.flatMap((one) => pointsOf(one).map((point) => [one.descriptor.name, point.attributes.index]))
  const batches = [...batchesOf(REQUEST, 60_000)]
  const got = batches.flatMap(({ request }) =>
    request.scopeMetrics.flatMap(({ metrics }) =>
      metrics.flatMap((one) => pointsOf(one).map((point) => [one.descriptor.name, point.attributes.index])),
    ),
  )
  t.strictSame(got, wanted)
  t.ok(
    batches.every(
      ({ request, points }) => points.length === request.scopeMetrics.flatMap(({ metrics }) => metrics.flatMap(pointsOf)).length,
    ),
  )
})

t.test('no batch is longer than the limit, but for one point that is', async (t) => {
  for (const limit of [3000, 30_000, 300_000]) {
    const batches = [...batchesOf(REQUEST, limit)]
    t.ok(batches.every(({ bytes, points }) => bytes <= limit || points.length === 1))
    t.ok(batches.length > 800_000 / limit / 2)
  }
})

t.test('what is said of a size is never less than the protocol needs, and not much more', async (t) => {
  const tight = [metric('a_total', 'counter', 500, short), metric('b_seconds', 'histogram', 500, () => [])]
  const requests = [
    REQUEST,
    ...tight.map((one) => ({ ...REQUEST, scopeMetrics: [{ scope: { name: 'orb8', version: '1' }, metrics: [one] }] })),
  ]
  for (const { request, bytes } of requests.flatMap((one) => [...batchesOf(one, 100_000)])) {
    const encoded = encodedBytes(request)
    t.ok(encoded <= bytes && bytes < encoded * 1.8 + 200, `${encoded} bytes are told as ${bytes}`)
  }
})

/** By protobuf's rules, from the messages' definitions. */
function encodedBytes({ resource, scopeMetrics }: ResourceMetrics): number {
  const varint = (value: number): number => (value < 128 ? 1 : 1 + varint(Math.floor(value / 128)))
  const field = (length: number): number => 1 + varint(length) + length
  const text = (value: string): number => field(Buffer.byteLength(value))
  const pair = ([key, value]: [string, unknown]): number =>
    field(text(key) + field(typeof value === 'number' ? 1 + varint(value) : text(String(value))))
  const pairs = (attributes: object): number => Object.entries(attributes).reduce((sum, one) => sum + pair(one), 0)
  const point = ({ attributes, value }: OurPoint): number =>
    field(
      18 +
        pairs(attributes) +
        (typeof value === 'number' ? 9 : 18 + field(8 * value.buckets.counts.length) + field(8 * value.buckets.boundaries.length)),
    )
  const one = (data: MetricData): number => {
    const { name, description, unit } = data.descriptor
    return field(text(name) + text(description) + text(unit) + field(4 + pointsOf(data).reduce((sum, its) => sum + point(its), 0)))
  }
  const scopes = scopeMetrics.map(({ scope, metrics }) =>
    field(field(text(scope.name) + text(scope.version ?? '')) + metrics.reduce((sum, its) => sum + one(its), 0)),
  )
  return field(field(pairs(resource.attributes)) + scopes.reduce((sum, its) => sum + its, 0))
}
