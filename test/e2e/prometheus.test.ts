// Debian's own Prometheus and promtool read what is published, in either format, and answer what was sent.
import t from 'tap'
import { until } from '../harness/child.ts'
import { twoEnds } from '../harness/ends.ts'
import { has } from '../harness/namespaces.ts'
import { freePort, onlyText, Prometheus, promtool } from '../harness/prometheus.ts'
import { onSite } from '../harness/site.ts'
import { connect, exchange } from '../harness/streams.ts'

t.test(
  'promtool check metrics has no complaint on a scrape',
  { skip: has('promtool') ? false : 'no promtool' },
  onSite(async (t, site) => {
    const { server, client, exporter } = await twoEnds(t, site)
    await connect(server, client)
    await exchange(server, client, 1000, 2000)
    await client.each('socket u 4 udp', 'sendto u 127.0.0.1 9 10')
    const { type, body } = await exporter.get('/metrics')
    t.equal(type, 'text/plain; version=0.0.4; charset=utf-8')
    t.match(body, /orb8_flow_bytes_total\{/)
    t.same(promtool(body), { code: 0, said: '' })
  }),
)

t.test(
  'Prometheus scrapes OpenMetrics and text, and rate() answers what was sent',
  { skip: has('prometheus') ? false : 'no prometheus' },
  onSite(async (t, site) => {
    const { server, client, cgroups, exporter } = await twoEnds(t, site)
    const jobs = { openmetrics: exporter.port, text: await onlyText(site.undo, exporter.port) }
    const openmetrics = await exporter.get('/metrics', {
      accept: 'application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5',
    })
    t.match(openmetrics.type, /^application\/openmetrics-text; version=1\.0\.0/)
    t.match(openmetrics.body, /# EOF\n$/)
    // Before the first scrape, so that none falls into the midst of it.
    await connect(server, client)
    await exchange(server, client, 1_000_000, 1)
    const prometheus = await Prometheus.start(site.undo, jobs)
    const mine = `orb8_flow_bytes_total{workload="${cgroups.client.workload}",direction="egress"}`
    const samples = (): Promise<Record<string, number>> => prometheus.query(`count_over_time(${mine}[5m])`, 'job')
    const seen = async (count: number): Promise<void> => {
      const before = await samples()
      await until(`${count} more scrapes`, async () => {
        const now = await samples()
        return Object.keys(jobs).every((job) => (now[job] ?? 0) >= (before[job] ?? 0) + count)
      })
    }

    await seen(2)
    await exchange(server, client, 7_654_321, 1)
    await seen(10)

    const each = <T>(value: T): Record<string, T> => Object.fromEntries(Object.keys(jobs).map((job) => [job, value]))
    t.same(await prometheus.targets(), each({ health: 'up', lastError: '' }), 'both targets are up')
    t.same(await prometheus.query(mine, 'job'), each(8_654_321), 'the counter')
    t.same(
      await prometheus.query(`max_over_time(${mine}[5m]) - min_over_time(${mine}[5m])`, 'job'),
      each(7_654_321),
      'what was sent meanwhile',
    )
    // increase() reaches at most half an interval beyond either end of what it has.
    for (const [job, increase] of Object.entries(await prometheus.query(`increase(${mine}[5m])`, 'job'))) {
      t.ok(increase >= 7_654_321 && increase < 7_654_321 * 1.3, `increase() of ${job}: ${increase}`)
    }
    for (const [job, rate] of Object.entries(await prometheus.query(`rate(${mine}[5m])`, 'job'))) {
      t.ok(rate * 300 >= 7_654_321 && rate * 300 < 7_654_321 * 1.3, `rate() of ${job} over five minutes: ${rate}`)
    }
    t.same(await prometheus.query(`count by (job) (orb8_build_info)`, 'job'), each(1))
  }),
)

const KILLS = 10

t.test(
  `over ${KILLS} kills Prometheus sees no reset, and its differences are what was sent`,
  { skip: has('prometheus') ? false : 'no prometheus' },
  onSite(async (t, site) => {
    const { pins } = site.bpffs()
    const args = ['--pin-path', pins, '--listen', `127.0.0.1:${await freePort()}`]
    let exporter = await site.exporter({ args })
    const cgroups = { server: site.cgroup('server'), client: site.cgroup('client') }
    const [server, client] = [site.agent({ cgroup: cgroups.server }), site.agent({ cgroup: cgroups.client })]
    await connect(server, client)
    await exchange(server, client, 1_000_000, 1)
    const prometheus = await Prometheus.start(site.undo, { orb8: exporter.port })
    const mine = `orb8_flow_bytes_total{workload="${cgroups.client.workload}",direction="egress"}`
    const told = async (expression: string): Promise<number | undefined> => (await prometheus.query(expression, 'job')).orb8
    const seen = (bytes: number): Promise<void> => until(`${bytes} in Prometheus`, async () => (await told(mine)) === bytes)
    let sent = 1_000_000
    await seen(sent)
    for (let kill = 1; kill <= KILLS; kill++) {
      await exchange(server, client, 1000 * kill, 1)
      await exporter.die()
      await exchange(server, client, 777, 1)
      sent += 1000 * kill + 777
      exporter = await site.exporter({ args })
      await seen(sent)
    }
    t.equal(await told(`resets(${mine}[10m])`), 0, 'no reset')
    t.equal(await told(`max_over_time(${mine}[10m]) - min_over_time(${mine}[10m])`), sent - 1_000_000, 'the difference')
    // It reaches half an interval beyond either end of what it has, on the average of all intervals.
    const increase = (await told(`increase(${mine}[10m])`)) ?? 0
    t.ok(increase >= sent - 1_000_000 && increase < (sent - 1_000_000) * 1.3, `increase(): ${increase} of ${sent - 1_000_000}`)
  }),
)
