// With a pin path the push goes on over a restart of the exporter: starts stay, and a difference never comes twice.
import t, { type Test } from 'tap'
import { until } from '../harness/child.ts'
import type { Exporter } from '../harness/exporter.ts'
import { sum } from '../harness/exposition.ts'
import { Collector } from '../harness/otlp/collector.ts'
import type { OtlpPoint } from '../harness/otlp/points.ts'
import { onSite, type Site } from '../harness/site.ts'
import type { Agent } from '../harness/traffic.ts'

const PERMISSION_DENIED = 7
/** Bytes of a datagram. */
const SIZE = 100

interface Stage {
  readonly collector: Collector
  readonly workload: string
  readonly start: () => Promise<Exporter>
  readonly send: (datagrams: number) => Promise<void>
  /** Points of the bytes that the sender sent, in the order in which they came; one that came again is the same. */
  readonly points: () => readonly OtlpPoint[]
}

async function stage(site: Site, temporality: string, answer?: () => { code?: number }): Promise<Stage> {
  const collector = await Collector.start(site.undo, answer === undefined ? {} : { answer })
  const { pins } = site.bpffs()
  const cgroup = site.cgroup('sender')
  const agent = site.agent({ cgroup, namespace: site.namespace('sender') })
  await agent.say('socket c 4 udp')
  const env = {
    OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${collector.port}`,
    OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE: temporality,
    OTEL_METRIC_EXPORT_INTERVAL: '1000',
    ORB8_COLLECT_INTERVAL: '1s',
    ORB8_PIN_PATH: pins,
  }
  return {
    collector,
    workload: cgroup.workload,
    start: () => site.exporter({ env }),
    send: (datagrams) => send(agent, datagrams),
    points: () => once(collector.taken.filter((point) => isOurs(point, cgroup.workload))),
  }
}

async function send(agent: Agent, datagrams: number): Promise<void> {
  await agent.say(`sendto c 127.0.0.1 9999 ${SIZE} ${datagrams}`)
}

const isOurs = ({ name, attributes }: OtlpPoint, workload: string): boolean =>
  name === 'orb8.flow.bytes' && attributes['orb8.workload.name'] === workload && attributes['network.io.direction'] === 'transmit'

function once(points: readonly OtlpPoint[]): readonly OtlpPoint[] {
  return [...new Map(points.map((point) => [`${point.startMs} ${point.timeMs}`, point])).values()]
}

const added = (points: readonly OtlpPoint[]): number => points.reduce((all, { value }) => all + value, 0)

/** None begins before the one before it ended. */
function follow(t: Test, points: readonly OtlpPoint[]): void {
  for (const [index, { startMs, timeMs }] of points.entries()) {
    t.ok(startMs < timeMs && startMs >= (points[index - 1]?.timeMs ?? 0), `from ${startMs} to ${timeMs}`)
  }
}

t.test(
  'cumulative: killed and started again, every series keeps its start, and the counters that are kept theirs',
  onSite(async (t, site) => {
    const { collector, workload, start, send, points } = await stage(site, 'cumulative')
    const first = await start()
    await send(10)
    await until('ten datagrams', () => points().at(-1)?.value === 10 * SIZE)
    const startOf = (name: string): number => collector.taken.findLast((point) => point.name === name)?.startMs ?? 0
    // A push comes in several requests.
    await until('the rest of a push', () => startOf('orb8.attributed.bytes') > 0 && startOf('process.cpu') > 0)
    const before = { kept: startOf('orb8.attributed.bytes'), own: startOf('process.cpu') }
    await first.die()
    await send(5)
    const second = await start()
    await send(1)
    await until('all sixteen', () => points().at(-1)?.value === 16 * SIZE)
    await until("the process' own to begin anew", () => startOf('process.cpu') > before.own)
    t.equal(new Set(points().map(({ startMs }) => startMs)).size, 1, 'one start')
    t.equal(startOf('orb8.attributed.bytes'), before.kept)
    t.equal(sum(await second.scrape(), 'orb8_flow_bytes_total', { workload, direction: 'egress' }), 16 * SIZE)
  }),
)

t.test(
  'delta: ended and started again, everything arrives once, also what was sent in between',
  onSite(async (t, site) => {
    const { start, send, points } = await stage(site, 'delta')
    const first = await start()
    await send(10)
    await until('ten datagrams', () => added(points()) === 10 * SIZE)
    await send(3)
    t.same(await first.stop(), { code: 0, signal: null })
    first.dead = true
    t.equal(added(points()), 13 * SIZE, 'the last export has the rest')
    await send(5)
    await start()
    await send(1)
    await until('all nineteen', () => added(points()) >= 19 * SIZE)
    const last = points()
    t.equal(added(last), 19 * SIZE)
    follow(t, last)
    t.equal(last.length > 1 && last.every(({ startMs }, index) => index === 0 || startMs === last[index - 1]?.timeMs), true, 'no gap')
  }),
)

t.test(
  'delta: killed, what the collector had not taken is lost, and nothing comes twice',
  onSite(async (t, site) => {
    let open = true
    const { collector, workload, start, send, points } = await stage(site, 'delta', () => (open ? {} : { code: PERMISSION_DENIED }))
    const first = await start()
    await send(10)
    await until('ten datagrams', () => added(points()) === 10 * SIZE)
    open = false
    await send(4)
    const { length } = collector.received
    await until('four to be refused', () =>
      collector.received.slice(length).some(({ points }) => added(points.filter((point) => isOurs(point, workload))) === 4 * SIZE),
    )
    await first.die()
    open = true
    await send(5)
    const second = await start()
    await send(1)
    await until('what came after', () => added(points()) >= 16 * SIZE)
    t.equal(added(points()), 16 * SIZE, 'all but the four')
    follow(t, points())
    t.equal(sum(await second.scrape(), 'orb8_flow_bytes_total', { workload, direction: 'egress' }), 20 * SIZE, '/metrics has all')
  }),
)
