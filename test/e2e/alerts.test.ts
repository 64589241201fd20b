// Rules and dashboards on what a real exporter counted of real traffic: Debian's Prometheus evaluates them, its Alertmanager receives.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import t from 'tap'
import { stringify } from 'yaml'
import { Alertmanager, type ReceivedAlert } from '../harness/alertmanager.ts'
import { until } from '../harness/child.ts'
import { DASHBOARDS, filled, queriesOf } from '../harness/dashboards.ts'
import { twoEnds } from '../harness/ends.ts'
import { has } from '../harness/namespaces.ts'
import { Prometheus } from '../harness/prometheus.ts'
import { type Groups, RULE_FILES, readYaml } from '../harness/rules.ts'
import { onSite, type Site } from '../harness/site.ts'
import { connect, exchange } from '../harness/streams.ts'

/** More than one in ten seconds, over the five minutes of the rules' window. */
const FAILURES = 300

/** Scrapes, rules and notifications each wait for the one before; a busy machine lets some scrapes run late. */
const PATIENCE_MS = 90_000
const LIMIT_MS = 240_000

/** The rules as they are, but for the time that an alert has to last. */
function impatient(site: Site): string[] {
  const folder = mkdtempSync(join(tmpdir(), 'orb8-test-rules-'))
  const remove = (): void => rmSync(folder, { recursive: true, force: true })
  site.undo.add({ gently: remove, atOnce: remove })
  return RULE_FILES.map((file) => {
    const { groups } = readYaml(file) as Groups
    const hasty = groups.map((group) => ({ ...group, rules: group.rules.map(({ for: _, ...rule }) => rule) }))
    const path = join(folder, basename(file))
    writeFileSync(path, stringify({ groups: hasty }))
    return path
  })
}

/** Panels that a host without Kubernetes fills, on which something was sent, opened and refused; dashboards.test.ts has all the others. */
const FILLED = {
  'orb8-pod': [
    'Bytes',
    'Packets',
    'Bytes sent, by peer',
    'Bytes received, by peer',
    'Open',
    'Opened and closed',
    'Failing connects',
    'Sent again, by peer',
    'Round-trip time',
    'Round-trip times',
    'Time to connect',
  ],
  'orb8-cluster': [
    'Sent',
    'Open connections',
    'Failing connects',
    'Sent, by namespace',
    'Who sends most, and to whom',
    'Sent, by kind of peer',
    'Round-trip time',
  ],
  'orb8-exporter': [
    'Exporters',
    'Coverage',
    'Bytes, by how their owner was found',
    'Kernel maps, of what fits',
    'Sockets watched',
    'Series',
    'CPU of the process',
    'Resident memory',
    'Kernel memory, by map',
    'Longest delay of the event loop',
    'Time of a scrape',
    'Time of a collection',
    'Its stages',
    'Versions',
  ],
} as const

t.test(
  'refused connections alert through Prometheus and Alertmanager, and so does an exporter that was killed',
  { skip: has('prometheus') && has('prometheus-alertmanager') ? false : 'no prometheus or alertmanager' },
  onSite(async (t, site) => {
    const { server, client, cgroups, exporter } = await twoEnds(t, site)
    const alertmanager = await Alertmanager.start(site.undo)
    const prometheus = await Prometheus.start(
      site.undo,
      { orb8: exporter.port },
      { rules: impatient(site), alertmanagers: [alertmanager.port], intervalS: 2 },
    )
    const received = async (name: string, labels: Readonly<Record<string, string>>): Promise<ReceivedAlert | undefined> =>
      (await alertmanager.alerts()).find(
        (alert) => alert.labels.alertname === name && Object.entries(labels).every(([label, value]) => alert.labels[label] === value),
      )
    const refused = async (): Promise<void> => {
      const options = { address: '127.0.0.1', port: 9, connections: FAILURES, threads: 2 }
      t.equal((await site.bulk({ cgroup: cgroups.client }, 'connect', options).figures()).failures, FAILURES)
    }
    const scraped = async (series: string): Promise<void> =>
      until(`a scrape of ${series}`, async () => (await prometheus.vector(series)).length > 0)

    await connect(server, client)
    await exchange(server, client, 100_000, 200_000)
    await refused()
    const workload = cgroups.client.workload
    // What a counter has when it is first seen is no rate yet.
    await scraped(`orb8_tcp_connect_failures_total{workload="${workload}"}`)
    await scraped(`orb8_flow_bytes_total{workload="${workload}"}`)
    t.equal(await received('Orb8TcpConnectFailures', { workload }), undefined, 'all is quiet before')
    await exchange(server, client, 100_000, 200_000)
    await refused()
    await until('the alert', async () => (await received('Orb8TcpConnectFailures', { workload })) !== undefined, PATIENCE_MS)
    const alert = await received('Orb8TcpConnectFailures', { workload })
    t.match(alert, { labels: { severity: 'warning' }, status: { state: 'active' } })
    // other: where so much else runs on this machine that the series limit is reached.
    const words = new RegExp(`% of the attempts of ${RegExp.escape(workload)} to connect to peers \\((loopback|other)\\) fail`)
    t.match(alert?.annotations.description, words)
    t.equal(await received('Orb8TcpConnectFailures', { workload: cgroups.server.workload }), undefined, 'who was not refused has no alert')

    for (const [uid, titles] of Object.entries(FILLED)) {
      const dashboard = DASHBOARDS.find((one) => one.uid === uid)
      if (dashboard === undefined) throw new Error(`there is no dashboard ${uid}`)
      for (const title of titles) {
        const panels = queriesOf(dashboard).filter(({ panel }) => panel.title === title)
        t.not(panels.length, 0, `${uid} has a panel ${title}`)
        for (const { target } of panels) {
          await until(`${uid}: ${title}`, async () => (await prometheus.vector(filled(target.expr))).length > 0)
        }
      }
    }

    t.equal(await received('Orb8ExporterDown', {}), undefined, 'the exporter is up')
    await exporter.die()
    await until('its alert', async () => (await received('Orb8ExporterDown', { job: 'orb8' })) !== undefined, PATIENCE_MS)
  }, LIMIT_MS),
)
