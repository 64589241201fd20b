// One run of the exporter, at 10, 10,000 and 60,000 series: the collector has what /metrics shows, and every field of it is right.
import t from 'tap'
import { until } from '../harness/child.ts'
import { samplesOfPoints, samplesOfScrape } from '../harness/otlp/both-exits.ts'
import { Collector } from '../harness/otlp/collector.ts'
import { faults } from '../harness/otlp/fields.ts'
import type { OtlpPoint } from '../harness/otlp/points.ts'
import { onSite } from '../harness/site.ts'
import type { Agent } from '../harness/traffic.ts'

/** A row of a datagram's flow: bytes and packets, both ways. */
const LINES = 4
/** Between two requests of one export there is less. */
const QUIET_MS = 1000
const FLOWS = /^orb8_(flow|container_network|active|tcp)/

t.test(
  'the same numbers at both exits in one run, at 10, 10,000 and 60,000 series, with every field as it should be',
  onSite(async (t, site) => {
    const sinceMs = Date.now() - 1000
    const collector = await Collector.start(site.undo)
    const env = {
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${collector.port}`,
      OTEL_METRIC_EXPORT_INTERVAL: '6000',
      ORB8_SERIES_LIMIT: '500000',
      ORB8_COLLECT_INTERVAL: '1h',
    }
    const cgroup = site.cgroup('sender')
    const agent = site.agent({ cgroup, namespace: site.namespace('sender') })
    await agent.say('socket c 4 udp')
    const exporter = await site.exporter({ env })
    const version = (await exporter.scrape()).samples.find(({ name }) => name === 'orb8_build_info')?.labels.version ?? ''

    let sent = 0
    for (const rows of [3, 2500, 15_000]) {
      await sendTo(agent, 20_000 + sent, 20_000 + rows)
      sent = rows
      const ours = await exporter.settled(rows * LINES, (scrape) => {
        const all = scrape.samples.filter(({ name, labels }) => name.startsWith('orb8_flow_') && labels.workload === cgroup.workload)
        return all.length
      })
      t.equal(ours, rows * LINES, 'series of our own')
      const wanted = new Map([...samplesOfScrape(await exporter.scrape(), FLOWS)].filter(([key]) => key.includes(cgroup.workload)))
      let last = new Map<string, number>()
      let requests = 0
      await until(
        `${wanted.size} series at the collector`,
        () => {
          // Looking takes this thread's time, which the collector shares: only where there is something new, and no more comes.
          const { length } = collector.received
          if (requests === length || Date.now() - (collector.received[length - 1]?.atMs ?? 0) < QUIET_MS) return false
          requests = collector.received.length
          last = newest(collector.taken, cgroup.workload)
          return [...wanted].every(([key, value]) => Object.is(last.get(key), value))
        },
        80_000,
      )
      t.equal(last.size, wanted.size, `${wanted.size} series, none more`)
      t.same(faults(collector.received, { temporality: 'cumulative', version, sinceMs }), [])
      t.ok(Math.max(...collector.received.map(({ bytes }) => bytes)) < 4 * 1024 * 1024)
      collector.received.length = 0
    }
  }, 240_000),
)

/** One datagram of a length of its own to each port. */
async function sendTo(agent: Agent, from: number, to: number): Promise<void> {
  await agent.each(...Array.from({ length: to - from }, (_, index) => `sendto c 127.0.0.1 ${from + index} ${1 + ((from + index) % 1000)}`))
}

/** Of each series of that workload the last point. */
function newest(points: readonly OtlpPoint[], workload: string): Map<string, number> {
  const ours = points.filter(({ attributes }) => attributes['orb8.workload.name'] === workload)
  return samplesOfPoints([...new Map(ours.map((point) => [JSON.stringify([point.name, point.attributes]), point])).values()])
}
