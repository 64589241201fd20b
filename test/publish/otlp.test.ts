import { createServer } from 'node:net'
import { join } from 'node:path'
import { status } from '@grpc/grpc-js'
import t from 'tap'
import { ConfigError } from '../../src/errors.ts'
import { createOtlp } from '../../src/publish/otlp.ts'
import { createSelf } from '../../src/publish/self.ts'
import { encode } from '../../src/publish/text.ts'
import { until } from '../harness/child.ts'
import { parseExposition } from '../harness/exposition.ts'
import { samplesOfPoints, samplesOfScrape } from '../harness/otlp/both-exits.ts'
import { type Answer, Collector } from '../harness/otlp/collector.ts'
import type { OtlpPoint } from '../harness/otlp/points.ts'
import { collectorOf, later, plain, push, SETTINGS, startedAt, undoOf, withoutRow } from './otlp/pushing.ts'
import { manyFlows, snapshotOf } from './snapshots.ts'

const START_MS = 1_700_000_000_000
const NOW_MS = START_MS + 90_000

// More, and of real traffic: test/e2e. A collector in the test's own thread reads slowly.
for (const [rows, exportIntervalMs] of [
  [1, 500],
  [250, 1000],
] as const) {
  t.test(`the same numbers at both exits, at ${rows * 8} series, and no request is longer than a collector takes`, async (t) => {
    t.setTimeout(60_000)
    const snapshot = startedAt(manyFlows(rows, NOW_MS), START_MS)
    const self = createSelf({ version: '1.2.3', libbpfVersion: '1.1' })
    self.collected('flows', 0.02)
    self.flowOverflow(3, 4000)
    const families = await self.families()
    const collector = await collectorOf(t)
    const { otlp, results } = push(t, { settings: { ...plain(collector.port), exportIntervalMs }, families })
    otlp.add(snapshot)
    // On a busy machine it may take more than one.
    await until('an export', () => results.includes('success'))
    const text = Buffer.concat([...encode(snapshot, families, 'prometheus', (bytes) => Buffer.alloc(bytes))]).toString()
    const [pushed, scraped] = [samplesOfPoints(newest(collector.taken)), samplesOfScrape(parseExposition(text))]
    t.equal(pushed.size, scraped.size)
    t.same([...scraped].filter(([key, value]) => !Object.is(pushed.get(key), value)).slice(0, 5), [])
    t.ok(collector.received.every(({ bytes }) => bytes < 1_100_000))
  })
}

t.test('long labels make smaller batches, not longer ones', async (t) => {
  const long = 'x'.repeat(4000)
  const rows = Array.from({ length: 120 }, (_, index) => ({
    labels: { workload: `${long}${index}`, peer_workload: long, protocol: 'tcp' },
    values: [index],
  }))
  const collector = await collectorOf(t)
  const { otlp, results } = push(t, { settings: { ...plain(collector.port), exportIntervalMs: 3000 } })
  otlp.add(snapshotOf(rows, { timeMs: NOW_MS }))
  await until('an export', () => results.includes('success'))
  t.ok(collector.received.length > 5, `${collector.received.length} requests`)
  t.ok(Math.max(...collector.received.map(({ bytes }) => bytes)) < 1_100_000)
})

t.test('every field of a point says what the contract says', async (t) => {
  const snapshot = startedAt(snapshotOf([{ labels: ROW, values: [1, 2, 3, 4, 5, 6, 7, 8] }], { timeMs: NOW_MS }), START_MS)
  const self = createSelf({ version: '1.2.3', libbpfVersion: '1.1' })
  self.collected('flows', 0.02)
  const collector = await collectorOf(t)
  const { otlp, results } = push(t, { settings: plain(collector.port), families: await self.families() })
  otlp.add(snapshot)
  await until('an export', () => results.includes('success'))
  const find = (name: string, direction?: string): OtlpPoint | undefined =>
    collector.taken.find((point) => point.name === name && point.attributes['network.io.direction'] === direction)
  const attributes = {
    'k8s.namespace.name': 'shop',
    'orb8.workload.name': 'checkout',
    'orb8.workload.kind': 'Deployment',
    'orb8.role': 'client',
    'network.transport': 'tcp',
    'server.port': 5432,
    'orb8.peer.kind': 'pod',
    'orb8.peer.namespace': 'data',
    'orb8.peer.workload': 'postgres',
  }
  const times = { startMs: START_MS, timeMs: NOW_MS }
  const sum = { kind: 'sum', temporality: 'cumulative', monotonic: true, whole: true, scope: 'orb8 1.2.3' }
  t.match(find('orb8.flow.bytes', 'transmit'), { ...sum, ...times, unit: 'By', value: 1, description: /^Transport payload bytes/ })
  t.strictSame(find('orb8.flow.bytes', 'receive')?.attributes, { ...attributes, 'network.io.direction': 'receive' }, 'none that is empty')
  t.match(find('orb8.flow.packets', 'receive'), { ...sum, ...times, unit: '{packet}', value: 4 })
  t.match(find('orb8.active.flows'), { kind: 'gauge', temporality: '', startMs: 0, timeMs: NOW_MS, unit: '{connection}', value: 5 })
  t.strictSame(find('orb8.active.flows')?.attributes, attributes)
  t.match(find('orb8.tcp.connections.opened'), { ...sum, unit: '{connection}', value: 6 })
  t.match(find('orb8.tcp.retransmitted.segments'), { ...sum, unit: '{segment}', value: 8 })
  t.match(find('orb8.container.network.bytes', 'transmit'), { ...sum, ...times, unit: 'By', value: 1 })
  t.match(find('orb8.collection.duration'), { kind: 'histogram', temporality: 'cumulative', unit: 's', value: 0.02, count: 1 })
  t.equal(find('orb8.collection.duration')?.counts.length, (find('orb8.collection.duration')?.bounds.length ?? 0) + 1)
  t.match(find('process.resident.memory.bytes'), { kind: 'gauge', unit: 'By', startMs: 0 })
  t.match(find('process.cpu'), { kind: 'sum', unit: 's', whole: false, monotonic: true })
  t.ok(Math.abs((find('process.cpu')?.startMs ?? 0) - performance.timeOrigin) < 1000, "the process' own counters began with it")
  t.strictSame(collector.received[0]?.resource, {
    'telemetry.sdk.language': 'nodejs',
    'telemetry.sdk.name': 'opentelemetry',
    'telemetry.sdk.version': collector.received[0]?.resource['telemetry.sdk.version'],
    'service.name': 'orb8',
    'service.version': '1.2.3',
    'service.instance.id': 'node-a',
    'k8s.node.name': 'node-a',
    'host.name': 'host-a',
  })
  t.match(collector.received[0]?.metadata['user-agent'], /^orb8\/1\.2\.3 /)
})

t.test('numbers that an earlier process began keep their start', async (t) => {
  const self = createSelf({ version: '1', libbpfVersion: '1' })
  self.flowOverflow(3, 4000)
  const collector = await collectorOf(t)
  const { results } = push(t, { settings: plain(collector.port), families: await self.families(), keptStartMs: START_MS })
  await until('an export', () => results.includes('success'))
  const start = (name: string): number => collector.taken.find((point) => point.name === name)?.startMs ?? Number.NaN
  t.equal(start('orb8.flow.overflow'), START_MS)
  t.ok(start('process.cpu') > START_MS)
})

t.test('a snapshot that was taken is not sent again, the own numbers are', async (t) => {
  const self = createSelf({ version: '1', libbpfVersion: '1' })
  const collector = await collectorOf(t)
  const { otlp, results } = push(t, { settings: plain(collector.port), families: await self.families() })
  otlp.add(startedAt(manyFlows(1, NOW_MS), START_MS))
  await until('three exports', () => results.length >= 3)
  const named = (name: string): number => collector.taken.filter((point) => point.name === name).length
  t.equal(named('orb8.flow.bytes'), 2)
  t.ok(named('orb8.series') >= 3)
})

// What a collector does in turn, request by request.
const MOODS: readonly Answer[] = [
  {},
  { code: status.UNAVAILABLE },
  { code: status.PERMISSION_DENIED },
  {},
  { code: status.RESOURCE_EXHAUSTED },
  { code: status.INVALID_ARGUMENT },
  {},
]

for (const temporality of ['delta', 'cumulative'] as const) {
  t.test(`${temporality}: a collector that refuses at times, is killed and comes back has every number in the end`, async (t) => {
    t.setTimeout(60_000)
    const rows = 450
    let snapshot = startedAt(manyFlows(rows, NOW_MS), START_MS)
    const undo = undoOf(t)
    let calm = false
    const answer = (_: unknown, index: number): Answer => (calm ? {} : (MOODS[index % MOODS.length] ?? {}))
    const first = await Collector.start(undo, { answer })
    const { otlp, results } = push(t, { settings: { ...plain(first.port), otlpTemporality: temporality, exportIntervalMs: 300 } })
    let raise = 0
    const change = (): void => {
      snapshot = later(snapshot, 20, ++raise % 7)
      otlp.add(snapshot)
    }
    otlp.add(snapshot)
    const changing = setInterval(change, 20)
    t.teardown(() => clearInterval(changing))
    const exports = async (more: number): Promise<void> => {
      const wanted = results.length + more
      await until(`${more} exports`, () => results.length >= wanted)
    }
    await exports(MOODS.length)
    first.kill()
    await exports(3)
    t.equal(results.at(-1), 'failure')
    const second = await Collector.start(undo, { port: first.port, answer })
    await exports(MOODS.length)
    // A row leaves, and its last numbers have not been delivered yet.
    change()
    const left = snapshot.flows.values[snapshot.flows.columns.length * 3]
    snapshot = withoutRow(snapshot, 3)
    otlp.add(snapshot)
    clearInterval(changing)
    calm = true
    await exports(2)
    await until('all that was in doubt', () => results.slice(-3).every((result) => result === 'success'))

    const taken = once([...first.taken, ...second.taken])
    const series = Map.groupBy(
      taken.filter(({ kind }) => kind === 'sum'),
      ({ name, attributes }) => JSON.stringify([name, attributes]),
    )
    const leaver = [...series].find(([key]) => key.includes('orb8.flow.bytes') && key.includes('"peer-3"') && key.includes('transmit'))
    const total = (points: readonly OtlpPoint[]): number =>
      temporality === 'delta' ? points.reduce((sum, { value }) => sum + value, 0) : (points.at(-1)?.value ?? 0)
    const wanted = samplesOfScrape(parseExposition(textOf(snapshot)), /_total$/)
    const got = samplesOfPoints([...series.values()].map((points) => ({ ...(points.at(-1) as OtlpPoint), value: total(points) })))
    t.same([...wanted].filter(([key, value]) => value > 0 && got.get(key) !== value).slice(0, 5), [], 'all that is in /metrics')
    if (temporality === 'delta') t.equal(total(leaver?.[1] ?? []), left, 'and what left it')
    for (const points of series.values()) {
      const gaps = points.filter(
        ({ startMs }, index) => startMs !== (temporality === 'delta' ? (points[index - 1]?.timeMs ?? START_MS) : START_MS),
      )
      if (gaps.length > 0) return t.same(gaps, [], 'intervals follow each other without gap or overlap')
    }
    t.ok(results.includes('failure'))
  })
}

t.test('delta: the end brings what is in doubt, and what was added since', async (t) => {
  const collector = await collectorOf(t, { answer: (_, index) => (index === 0 ? { delayMs: 2000 } : {}) })
  const settings = { ...plain(collector.port), otlpTemporality: 'delta', otlpTimeoutMs: 200, exportTimeoutMs: 200 } as const
  const { otlp, results } = push(t, { settings: { ...settings, exportIntervalMs: 2500 } })
  const before = startedAt(manyFlows(3, NOW_MS), START_MS)
  otlp.add(before)
  await until('an export', () => results.length > 0)
  t.same(results, ['failure'])
  otlp.add(later(before, 1000, 5))
  await otlp.close()
  const sent = once(collector.received.flatMap(({ points }) => points)).filter(({ name }) => name === 'orb8.flow.bytes')
  const all = (points: readonly OtlpPoint[]): number => points.reduce((sum, { value }) => sum + value, 0)
  const { columns, values } = later(before, 1000, 5).flows
  const wanted = values.filter((_, at) => columns[at % columns.length]?.metric.name === 'orb8_flow_bytes_total')
  t.equal(
    all(sent),
    wanted.reduce((sum, value) => sum + value, 0),
  )
})

t.test('delta: what an earlier process delivered is not sent again', async (t) => {
  const before = startedAt(manyFlows(3, NOW_MS), START_MS)
  const collector = await collectorOf(t)
  const { otlp, results } = push(t, { settings: { ...plain(collector.port), otlpTemporality: 'delta' }, delivered: before })
  otlp.add(later(before, 1000, 5))
  await until('an export', () => results.length > 0)
  const sums = collector.taken.filter(({ kind }) => kind === 'sum')
  t.equal(sums.length, 3 * 7 + 4)
  t.ok(sums.every(({ value, startMs, timeMs }) => value === 5 && startMs === NOW_MS && timeMs === NOW_MS + 1000))
})

t.test('the log tells each change once, the results count every time', async (t) => {
  t.setTimeout(60_000)
  const stages: Answer[] = [
    {},
    { code: status.PERMISSION_DENIED, message: 'not for you' },
    { code: status.RESOURCE_EXHAUSTED, message: 'full' },
    { rejected: 2, message: 'two of them are odd' },
    { rejected: 0, message: 'mind your units' },
    { delayMs: 1200 },
    {},
  ]
  let stage = 0
  const collector = await collectorOf(t, { answer: () => stages[stage] ?? {} })
  const { otlp, results, log } = push(t, { settings: { ...plain(collector.port), otlpTimeoutMs: 500, exportIntervalMs: 600 } })
  let snapshot = startedAt(manyFlows(2, NOW_MS), START_MS)
  const seen: string[] = []
  for (; stage < stages.length; stage++) {
    const from = results.length
    for (let round = 0; round < 2; round++) {
      snapshot = later(snapshot, 1000, 1)
      otlp.add(snapshot)
      await until('an export', () => results.length > from + round)
    }
    seen.push(results.slice(-1).join())
  }
  t.same(seen, ['success', 'failure', 'failure', 'failure', 'success', 'failure', 'success'])
  t.same(
    log.slice(1).map(({ level, msg, code = '', detail = '' }) => [level, msg, code, detail].join(' | ').replaceAll(/ \| (?=$| \|)/g, '')),
    [
      'info | OTLP: the collector takes the metrics',
      'warn | OTLP: the collector refuses the metrics | PERMISSION_DENIED | not for you',
      'warn | OTLP: the collector refuses the metrics | RESOURCE_EXHAUSTED | full',
      'warn | OTLP: the collector throws away a part | two of them are odd',
      'warn | OTLP: the collector takes the metrics and warns | mind your units',
      `warn | OTLP: the collector does not answer in time | DEADLINE_EXCEEDED | ${log.find(({ code }) => code === 'DEADLINE_EXCEEDED')?.detail}`,
      'info | OTLP: the collector takes the metrics again',
    ],
  )
})

t.test('delta: points that a collector threw away are not sent again', async (t) => {
  const collector = await collectorOf(t, { answer: () => ({ rejected: 1, message: 'no' }) })
  const { otlp, results } = push(t, { settings: { ...plain(collector.port), otlpTemporality: 'delta' } })
  otlp.add(startedAt(manyFlows(2, NOW_MS), START_MS))
  await until('three exports', () => results.length >= 3)
  t.equal(
    new Set(collector.taken.filter(({ kind }) => kind === 'sum').map(({ name, attributes }) => JSON.stringify([name, attributes]))).size,
    collector.taken.filter(({ kind }) => kind === 'sum').length,
  )
})

t.test('a request that may be tried again is, within the same export, as soon as the collector allows', async (t) => {
  // google.rpc.Status { details: [Any { RetryInfo { retry_delay { seconds: 2 } } }] }
  const retry = Buffer.from([0x0a, 0x02, 0x08, 0x02])
  const type = Buffer.from('type.googleapis.com/google.rpc.RetryInfo')
  const any = Buffer.concat([Buffer.from([0x0a, type.length]), type, Buffer.from([0x12, retry.length]), retry])
  const details = Buffer.concat([Buffer.from([0x08, status.RESOURCE_EXHAUSTED, 0x1a, any.length]), any])
  const answers: Answer[] = [{ code: status.RESOURCE_EXHAUSTED, details }, { code: status.UNAVAILABLE }]
  const collector = await collectorOf(t, { answer: (_, index) => answers[index] ?? {} })
  const { otlp, results } = push(t, { settings: { ...plain(collector.port), exportIntervalMs: 8000 } })
  otlp.add(startedAt(manyFlows(1, NOW_MS), START_MS))
  await until('an export', () => results.length > 0)
  t.same(results, ['success'])
  t.equal(collector.received.length, 3)
  const [first, second] = collector.received
  t.ok((second?.atMs ?? 0) - (first?.atMs ?? 0) > 1950, 'not before the collector allows')
})

t.test('the end exports once more, and waits for no collector longer than some seconds', async (t) => {
  const collector = await collectorOf(t)
  const { otlp } = push(t, { settings: { ...plain(collector.port), exportIntervalMs: 60_000 } })
  otlp.add(startedAt(manyFlows(1, NOW_MS), START_MS))
  // Its thread needs a moment to begin, on a busy machine more than its end has time for.
  await new Promise((resolve) => setTimeout(resolve, 1500))
  await otlp.close()
  t.equal(collector.taken.filter(({ name }) => name === 'orb8.flow.bytes').length, 2)

  const silent = createServer(() => undefined).listen(0, '127.0.0.1')
  t.teardown(() => silent.close())
  await until('a port', () => silent.address() !== null)
  const hanging = push(t, { settings: { ...plain((silent.address() as { port: number }).port), exportIntervalMs: 60_000 } })
  hanging.otlp.add(startedAt(manyFlows(1, NOW_MS), START_MS))
  const beganMs = performance.now()
  await hanging.otlp.close()
  t.ok(performance.now() - beganMs < 10_000)
})

t.test('a fault of the thread is told, and it starts again', async (t) => {
  const collector = await collectorOf(t)
  const settings = { ...plain(collector.port), otlpTemporality: 'delta' } as const
  const { otlp, log, results } = push(t, { settings, restartMs: 300 })
  const good = startedAt(manyFlows(2, NOW_MS), START_MS)
  otlp.add({ ...good, flows: { ...good.flows, columns: [undefined as never] } })
  await until('the fault', () => log.some(({ msg }) => msg.includes('ended by a fault')))
  t.same(results, ['failure'])
  otlp.add(good)
  await new Promise((resolve) => setTimeout(resolve, 500))
  otlp.add(later(good, 1000, 3))
  await until('an export', () => results.includes('success'))
  t.ok(
    collector.taken.length > 0 && collector.taken.filter(({ kind }) => kind === 'sum').every(({ value }) => value === 3),
    'differences begin anew',
  )
})

t.test('the resource takes what is set, the name of the service first', async (t) => {
  const collector = await collectorOf(t)
  const resourceAttributes = [
    ['service.name', 'other'],
    ['k8s.cluster.name', 'blue'],
    ['host.name', 'h'],
  ] as const
  const families = await createSelf({ version: '1', libbpfVersion: '1' }).families()
  const { results } = push(t, { settings: { ...plain(collector.port), resourceAttributes, serviceName: 'mine' }, families })
  await until('an export', () => results.includes('success'))
  t.match(collector.received[0]?.resource, {
    'service.name': 'mine',
    'k8s.cluster.name': 'blue',
    'host.name': 'h',
    'k8s.node.name': 'node-a',
  })
})

t.test('without an endpoint, disabled, or with another exporter nothing is pushed', async (t) => {
  const endpoint = { address: '127.0.0.1:1', tls: false }
  const self = createSelf({ version: '1', libbpfVersion: '1' })
  for (const settings of [{}, { otlpEndpoint: endpoint, otelDisabled: true }, { otlpEndpoint: endpoint, metricsExporter: 'none' }] as const)
    t.equal(createOtlp({ settings: { ...SETTINGS, ...settings }, version: '1', self, log: undefined as never }), undefined)
})

t.test('certificates that cannot be used end the start', async (t) => {
  const endpoint = { address: '127.0.0.1:1', tls: true }
  const file = join(t.testdir({ 'a.pem': '' }), 'a.pem')
  for (const [settings, said] of [
    [{ otlpCertificate: '/nonexistent/ca.pem' }, /OTEL_EXPORTER_OTLP_CERTIFICATE: ENOENT/],
    [{ otlpClientCertificate: file }, /OTEL_EXPORTER_OTLP_CLIENT_KEY is not set/],
    [{ otlpClientKey: file }, /OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE is not set/],
  ] as const) {
    const start = (): unknown =>
      createOtlp({
        settings: { ...SETTINGS, otlpEndpoint: endpoint, ...settings },
        version: '1',
        self: undefined as never,
        log: undefined as never,
      })
    t.throws(start, said)
    t.throws(start, ConfigError)
  }
})

/** Of each series the last point. */
function newest(points: readonly OtlpPoint[]): OtlpPoint[] {
  return [...new Map(points.map((point) => [JSON.stringify([point.name, point.attributes]), point])).values()]
}

/** A point that came again with the same times is the same point: its first answer was lost. */
function once(points: readonly OtlpPoint[]): OtlpPoint[] {
  const seen = new Map<string, OtlpPoint>()
  for (const point of points) {
    const key = JSON.stringify([point.name, point.attributes, point.startMs, point.timeMs])
    const before = seen.get(key)
    if (before !== undefined && before.value !== point.value) throw new Error(`${key} came as ${before.value} and as ${point.value}`)
    if (before === undefined) seen.set(key, point)
  }
  return [...seen.values()]
}

const ROW = {
  namespace: 'shop',
  workload: 'checkout',
  workload_kind: 'Deployment',
  role: 'client',
  protocol: 'tcp',
  port: '5432',
  peer_kind: 'pod',
  peer_namespace: 'data',
  peer_workload: 'postgres',
}

function textOf(snapshot: Parameters<typeof encode>[0]): string {
  return Buffer.concat([...encode(snapshot, [], 'prometheus', (bytes) => Buffer.alloc(bytes))]).toString()
}
