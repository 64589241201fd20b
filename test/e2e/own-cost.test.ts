// What the exporter says that it costs: kernel memory by map, runs of its programs, time by stage.
import { readFileSync } from 'node:fs'
import t from 'tap'
import { SELF } from '../../src/metrics.ts'
import { twoEnds } from '../harness/ends.ts'
import { type Scrape, sum } from '../harness/exposition.ts'
import { countRuns, STATISTICS } from '../harness/program-runs.ts'
import { onSite, type Site } from '../harness/site.ts'
import { connect, exchange } from '../harness/streams.ts'

const MIB = 1024 ** 2
const CONNECTIONS = 1000

/** 1,000 connections that stay open; what ends them. */
async function hold(site: Site): Promise<() => Promise<void>> {
  const served = site.bulk({ cgroup: site.cgroup('held') }, 'serve', { address: '127.0.0.1', port: 0, hold: true })
  const [port = 0] = await served.ports()
  const holding = site.bulk({ cgroup: site.cgroup('holder') }, 'hold', { port, connections: CONNECTIONS })
  await holding.figures()
  return async () => {
    await Promise.all([holding.end(), served.end()])
  }
}

/** Of these maps, or of all. */
function memory(scrape: Scrape, ...maps: string[]): number {
  if (maps.length === 0) return sum(scrape, SELF.mapMemory.name)
  return maps.reduce((all, map) => all + sum(scrape, SELF.mapMemory.name, { map }), 0)
}

t.test(
  'at the defaults and 1,000 connections kernel memory is under 64 MiB, flow maps and storage under 32, and the ledger is told with pins',
  onSite(async (t, site) => {
    const { pins } = site.bpffs()
    const exporter = await site.exporter({ args: ['--pin-path', pins] })
    const before = memory(await exporter.scrape(), 'connections')
    const end = await hold(site)
    const scrape = await exporter.scrape()
    t.ok(memory(scrape) < 64 * MIB, `${memory(scrape)} in all`)
    const flows = memory(scrape, 'flows', 'overflow', 'connections')
    t.ok(flows < 32 * MIB && flows > 20 * MIB, `${flows} for flows`)
    t.ok(memory(scrape, 'connections') - before >= 2 * CONNECTIONS * 200, 'both ends of each connection have storage')
    t.ok(memory(scrape, 'ledger') >= 512 * 1024, 'the first series have their place')
    await end()
    t.ok(await exporter.settled(true, (later) => memory(later, 'connections') < before + 200 * 200), 'the storage goes with its sockets')
  }),
)

t.test(
  'each stage of each collection is timed, and all of them are within the collection',
  onSite(async (t, site) => {
    const exporter = await site.exporter()
    for (let i = 0; i < 3; i++) await exporter.scrape()
    const scrape = await exporter.scrape()
    const collections = sum(scrape, `${SELF.collectionSeconds.name}_count`, { collector: 'flows' })
    t.ok(collections >= 3)
    for (const stage of ['walk', 'drain', 'resolve', 'commit', 'snapshot'] as const) {
      // The collection that is shown has told its stages before it was told itself.
      const times = sum(scrape, `${SELF.stageSeconds.name}_count`, { stage })
      t.ok(times >= collections && times <= collections + 1, `${stage}: ${times} of ${collections}`)
    }
    const stages = sum(scrape, `${SELF.stageSeconds.name}_sum`)
    const whole = sum(scrape, `${SELF.collectionSeconds.name}_sum`, { collector: 'flows' })
    t.ok(stages > whole / 4 && stages < whole * 1.05, `${stages} of ${whole} s`)
  }),
)

t.test(
  'runs of programs are told where the kernel counts them, only then, and rise with connections',
  onSite(async (t, site) => {
    const { server, client, exporter } = await twoEnds(t, site)
    const runs = (scrape: Scrape): number => sum(scrape, SELF.programRuns.name, { program: 'orb8_tcp_events' })
    if (readFileSync(STATISTICS, 'latin1').trim() === '0')
      t.notMatch((await exporter.get('/metrics')).body, /^orb8_bpf_program_runs_total\{/m)
    countRuns(site.undo)
    const before = runs(await exporter.scrape())
    await connect(server, client)
    await exchange(server, client, 1, 1)
    const after = await exporter.scrape()
    t.ok(runs(after) - before >= 3, `${runs(after) - before} runs for a connection's two ends`)
    t.ok(sum(after, SELF.programRunSeconds.name, { program: 'orb8_tcp_events' }) > 0)
  }),
)
