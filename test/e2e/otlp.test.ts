// The exporter with a collector of the test's own: what is counted arrives there, as the environment says.
import t from 'tap'
import { until } from '../harness/child.ts'
import { twoEnds } from '../harness/ends.ts'
import { type Exporter, runToTheEnd } from '../harness/exporter.ts'
import { samplesOfPoints, samplesOfScrape } from '../harness/otlp/both-exits.ts'
import { Collector } from '../harness/otlp/collector.ts'
import { faults } from '../harness/otlp/fields.ts'
import type { OtlpPoint } from '../harness/otlp/points.ts'
import { onSite } from '../harness/site.ts'
import { close, connect, exchange } from '../harness/streams.ts'
import type { Agent } from '../harness/traffic.ts'

const FLOWS = /^orb8_(flow_(bytes|packets)|container|tcp|active)/

const messages = (exporter: Exporter): string[] =>
  exporter.log.filter((line) => line.includes('OTLP')).map((line) => (JSON.parse(line) as { msg: string }).msg)

t.test(
  'the same numbers at both exits, of real traffic',
  onSite(async (t, site) => {
    const sinceMs = Date.now() - 1000
    const collector = await Collector.start(site.undo)
    const env = {
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${collector.port}`,
      OTEL_METRIC_EXPORT_INTERVAL: '1000',
      OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Bearer%20hunter2',
      OTEL_EXPORTER_OTLP_COMPRESSION: 'gzip',
      OTEL_RESOURCE_ATTRIBUTES: 'k8s.cluster.name=blue,service.name=lost',
      OTEL_SERVICE_NAME: 'orb8-here',
      NODE_NAME: 'node-7',
      ORB8_COLLECT_INTERVAL: '1s',
    }
    const { server, client, exporter, cgroups } = await twoEnds(t, site, { env })
    await transfer(server, client)
    let wanted = new Map<string, number>()
    let requests = 0
    const arrived = async (): Promise<boolean> => {
      if (requests === collector.received.length) return false
      requests = collector.received.length
      const scraped = samplesOfScrape(await exporter.scrape(), FLOWS)
      // The exporter's own connections never stand still.
      wanted = new Map([...scraped].filter(([key]) => key.includes(cgroups.client.workload) || key.includes(cgroups.server.workload)))
      const last = newest(collector.taken)
      return wanted.size > 0 && [...wanted].every(([key, value]) => last.get(key) === value)
    }
    await until('the collector to have what /metrics shows', arrived)
    t.ok(wanted.size >= 2 * 12, `${wanted.size} series`)
    const [first] = collector.received
    t.same(faults(collector.received, { temporality: 'cumulative', version: await versionOf(exporter), sinceMs }), [])
    t.match(first?.resource, { 'service.name': 'orb8-here', 'k8s.cluster.name': 'blue', 'k8s.node.name': 'node-7' })
    t.equal(first?.metadata.authorization, 'Bearer hunter2')
    t.notMatch(exporter.log.join('\n'), /hunter2/)
    const succeeded = async (): Promise<boolean> =>
      (await exporter.scrape()).samples.some(
        ({ name, labels, value }) => name === 'orb8_otlp_exports_total' && labels.result === 'success' && value > 0,
      )
    await until('a success to be counted', succeeded)
    t.ok(messages(exporter).some((message) => message.startsWith('OTLP: the collector takes the metrics')))
  }),
)

for (const temporality of ['delta', 'cumulative'] as const) {
  t.test(
    `${temporality}: a collector killed and restarted under traffic has all of it in the end, with the last export too`,
    onSite(async (t, site) => {
      const sinceMs = Date.now() - 1000
      const first = await Collector.start(site.undo)
      const env = {
        OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: `127.0.0.1:${first.port}`,
        OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1',
        OTEL_EXPORTER_OTLP_INSECURE: 'TRUE',
        OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE: temporality.toUpperCase(),
        OTEL_METRIC_EXPORT_INTERVAL: '2000',
        ORB8_COLLECT_INTERVAL: '1s',
      }
      const { server, client, exporter, cgroups } = await twoEnds(t, site, { env })
      const some = (collector: Collector, count: number): Promise<void> =>
        until(`${count} exports`, () => collector.received.length >= count)
      await transfer(server, client)
      await some(first, 2)
      first.kill()
      await transfer(server, client)
      await until('the loss of it to be seen', () => messages(exporter).includes('OTLP: the collector cannot be reached'))
      const second = await Collector.start(site.undo, { port: first.port })
      await transfer(server, client)
      await some(second, 2)
      await transfer(server, client)
      const wanted = samplesOfScrape(await exporter.scrape(), /^orb8_flow_bytes_total/)
      const version = await versionOf(exporter)
      t.same(await exporter.stop(), { code: 0, signal: null })

      t.same(faults([...first.received, ...second.received], { temporality, version, sinceMs }), [])
      const of = (points: readonly OtlpPoint[]): readonly OtlpPoint[] => points.filter(({ name }) => name === 'orb8.flow.bytes')
      const series = Map.groupBy(once(of([...first.taken, ...second.taken])), ({ attributes }) => JSON.stringify(attributes))
      const got = samplesOfPoints(
        [...series.values()].map((points) => {
          const value = temporality === 'delta' ? points.reduce((sum, point) => sum + point.value, 0) : (points.at(-1)?.value ?? 0)
          return { ...(points.at(-1) as OtlpPoint), value }
        }),
      )
      const ours = [...wanted].filter(([key, value]) => value > 0 && key.includes(cgroups.client.workload))
      t.ok(ours.length > 0)
      t.same(
        ours.map(([key]) => [key, got.get(key)]),
        ours,
      )
      for (const points of series.values()) {
        const starts = points.map(
          ({ startMs }, index) =>
            startMs - (temporality === 'delta' && index > 0 ? (points[index - 1]?.timeMs ?? 0) : (points[0]?.startMs ?? 0)),
        )
        t.ok(starts.every((gap) => gap === 0))
      }
      t.ok(messages(exporter).includes('OTLP: the collector takes the metrics again'))
    }),
  )
}

t.test(
  'a slow collector does not slow /metrics, and is told as late',
  onSite(async (t, site) => {
    const collector = await Collector.start(site.undo, { answer: () => ({ delayMs: 3000 }) })
    const env = {
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${collector.port}`,
      OTEL_EXPORTER_OTLP_METRICS_TIMEOUT: '300',
      OTEL_METRIC_EXPORT_TIMEOUT: '400',
      OTEL_METRIC_EXPORT_INTERVAL: '500',
    }
    const exporter = await site.exporter({ env })
    await until('lateness to be told', () => messages(exporter).includes('OTLP: the collector does not answer in time'))
    t.ok(
      (await exporter.scrape()).samples.some(
        ({ name, labels, value }) => name === 'orb8_otlp_exports_total' && labels.result === 'failure' && value > 0,
      ),
    )
  }),
)

t.test(
  'without gRPC there is no start, disabled there is no push',
  onSite(async (t, site) => {
    for (const protocol of ['http/protobuf', 'http/json']) {
      const { code, stderr } = await runToTheEnd(site.undo, { env: { OTEL_EXPORTER_OTLP_PROTOCOL: protocol } })
      t.equal(code, 2)
      t.equal(stderr.length, 1)
      t.match(stderr[0], /^orb8: cannot use OTEL_EXPORTER_OTLP_PROTOCOL: "http\/\w+" is none of them \(grpc/)
    }
    const { code, stderr } = await runToTheEnd(site.undo, {
      env: { OTEL_EXPORTER_OTLP_ENDPOINT: 'https://a:1', OTEL_EXPORTER_OTLP_CERTIFICATE: '/nonexistent' },
    })
    t.match([code, stderr.join()], [2, /^orb8: cannot use OTEL_EXPORTER_OTLP_CERTIFICATE: ENOENT/])
    const collector = await Collector.start(site.undo)
    const env = {
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${collector.port}`,
      OTEL_METRIC_EXPORT_INTERVAL: '100',
      OTEL_SDK_DISABLED: 'true',
    }
    const exporter = await site.exporter({ env })
    t.same(messages(exporter), [])
    t.equal(collector.received.length, 0)
  }),
)

async function versionOf(exporter: Exporter): Promise<string> {
  return (await exporter.scrape()).samples.find(({ name }) => name === 'orb8_build_info')?.labels.version ?? ''
}

async function transfer(server: Agent, client: Agent): Promise<void> {
  await connect(server, client)
  await exchange(server, client, 12_345, 678)
  await close(server, client)
}

/** Of each series the last point. */
function newest(points: readonly OtlpPoint[]): Map<string, number> {
  return samplesOfPoints([...new Map(points.map((point) => [JSON.stringify([point.name, point.attributes]), point])).values()])
}

/** A point that came again with the same times is the same point: its first answer was lost. */
function once(points: readonly OtlpPoint[]): readonly OtlpPoint[] {
  return [...new Map(points.map((point) => [JSON.stringify([point.name, point.attributes, point.startMs, point.timeMs]), point])).values()]
}
