// Workloads that come and go by the hundred while series leave: every byte and connection once, and nothing of them stays behind.
// The long form, with RSS, is `npm run bench -- soak`.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { until } from '../harness/child.ts'
import { Crowd, type Member } from '../harness/crowd.ts'
import { DisplacedClocks } from '../harness/displaced-clocks.ts'
import type { Exporter } from '../harness/exporter.ts'
import { parseExposition, sum } from '../harness/exposition.ts'
import { cgroupsInMaps } from '../harness/kernel-entries.ts'
import type { LastingSums } from '../harness/lasting-sums.ts'
import { onSite } from '../harness/site.ts'
import { differences, soakSums } from '../harness/soak.ts'
import type { Weight } from '../harness/weighed-exporter.ts'

const WORKLOADS = 600
const AT_ONCE = 60
const LIFE_MS = 1500
const CONNECTIONS = 50
/** In short supply, so that the limits are met. */
const FLOW_ENTRIES = 1024
const SERIES_LIMIT = 1500
const SCRAPE_MS = 500
/** A scrape in so many finds that more than a minute has passed: what has not moved since the last one leaves. */
const LEAVE_EVERY = 5
const IDLE_MS = 61_000
const PORTS = '0,0,0,0'

/** One exporter and what its rows showed. */
interface Watched {
  readonly exporter: Exporter
  readonly clocks: DisplacedClocks
  readonly sums: LastingSums
  readonly atFirst: Weight
  passedMs: number
}

async function weigh(exporter: Exporter): Promise<Weight> {
  const told = exporter.log.length
  process.kill(exporter.pid, 'SIGUSR2')
  let weight: Weight | undefined
  await until('its weight', () => {
    const line = exporter.log.slice(told).find((line) => line.startsWith('{"weight"'))
    weight = line === undefined ? undefined : (JSON.parse(line) as { weight: Weight }).weight
    return weight !== undefined
  })
  return weight as Weight
}

/** Watches of its inotify, as the kernel has them. */
function inotifyWatches(pid: number): number {
  return [...Array(64).keys()].reduce((watches, fd) => {
    try {
      return watches + (readFileSync(`/proc/${pid}/fdinfo/${fd}`, 'latin1').match(/^inotify /gm)?.length ?? 0)
    } catch {
      return watches // no such file
    }
  }, 0)
}

async function look({ exporter, clocks, sums }: Watched, passedMs: number): Promise<string> {
  clocks.set({ monotonicMs: passedMs })
  const { status, body } = await exporter.get('/metrics')
  if (status !== 200) throw new Error(`/metrics answers ${status}: ${body.slice(0, 200)}`)
  sums.take(body)
  return body
}

t.test(
  `${WORKLOADS} workloads that come and go, with pins and without: sums are exact, nothing falls, nothing of them stays`,
  onSite(async (t, site) => {
    const cgroups = { server: site.cgroup('server'), crowd: site.cgroup('crowd') }
    const namespace = site.namespace('soak')
    const served = site.bulk({ cgroup: cgroups.server, namespace }, 'serve', { address: '0.0.0.0', port: PORTS, threads: 4 })
    const ports = await served.ports()
    const watch = async (...args: string[]): Promise<Watched> => {
      const clocks = new DisplacedClocks(site.undo)
      const limits = ['--flow-entries', String(FLOW_ENTRIES), '--series-limit', String(SERIES_LIMIT), '--series-idle', '1m']
      const program = join(import.meta.dirname, '..', 'harness', 'weighed-exporter.ts')
      // Nobody but us collects: no row comes or goes between two scrapes.
      const options = { ...clocks.options, program, args: [...limits, '--collect-interval', '1h', ...args] }
      const exporter = await site.exporter(options)
      const watched = { exporter, clocks, sums: soakSums(), passedMs: 0 }
      return { ...watched, atFirst: await weigh(exporter) }
    }
    const all = [await watch(), await watch('--pin-path', site.bpffs().pins)]

    const crowd = new Crowd(site.undo, {
      parent: cgroups.crowd,
      namespace,
      address: '127.0.0.1',
      addresses: 32,
      ports,
      workloads: WORKLOADS,
      atOnce: AT_ONCE,
      connections: CONNECTIONS,
      lifeMs: LIFE_MS,
      limitSeconds: 100,
    })
    const members: Member[] = []
    let over = false
    const gone = (async () => {
      for await (const member of crowd.members()) members.push(member)
    })().finally(() => {
      over = true
    })
    let scrapes = 0
    for (; !over; scrapes++) {
      for (const watched of all) {
        if (scrapes % LEAVE_EVERY === LEAVE_EVERY - 1) watched.passedMs += IDLE_MS
        await look(watched, watched.passedMs)
      }
      await sleep(SCRAPE_MS)
    }
    await gone
    const server = await served.stop()
    t.equal(
      members.reduce((sum, { failures }) => sum + failures, server.failures),
      0,
      'no connection failed',
    )
    t.equal(server.connections, WORKLOADS * CONNECTIONS, 'all were made')
    t.comment(`${scrapes} scrapes`)

    for (const watched of all) {
      const { exporter, sums, atFirst } = watched
      const name = exporter === all[0]?.exporter ? 'without pins' : 'with pins'
      await look(watched, watched.passedMs)
      t.same(differences(sums, members, [cgroups.server, server]), [], `${name}: exact, for each workload and for the server`)
      t.same(sums.falls, [], `${name}: no counter fell`)
      t.ok(sums.leavings > WORKLOADS, `${name}: ${sums.leavings} rows left`)
      const own = new Set(members.map(({ cgroup }) => cgroup))
      t.same(
        cgroupsInMaps(exporter.pid).filter((cgroup) => own.has(cgroup)),
        [],
        `${name}: no entry of theirs is in the kernel’s maps`,
      )

      watched.passedMs += IDLE_MS
      await look(watched, watched.passedMs)
      const body = await look(watched, watched.passedMs)
      const scrape = parseExposition(body)
      const rows = body.split('\n').filter((line) => line.includes(`"${cgroups.crowd.workload}/`))
      t.same(rows, [], `${name}: idle for a minute, all their series are gone`)
      t.ok(sum(scrape, 'orb8_sockets_tracked') < server.connections / 20, `${name}: the storage of their sockets is given back`)
      t.ok(sum(scrape, 'orb8_series') <= SERIES_LIMIT, `${name}: within the limit of series`)
      const weight = await weigh(exporter)
      t.comment(JSON.stringify({ atFirst, weight }))
      t.ok(weight.slots < atFirst.slots + WORKLOADS / 4, `${name}: their slots in the ledger are free`)
      t.ok(
        weight.caches.every((size) => size <= FLOW_ENTRIES),
        `${name}: caches within their bounds`,
      )
      t.ok(weight.cgroups.directories < atFirst.cgroups.directories + WORKLOADS / 4, `${name}: their directories are forgotten`)
      t.ok(weight.cgroups.gone >= WORKLOADS, `${name}: their names are kept for sockets that outlive them`)
      t.ok(inotifyWatches(exporter.pid) < atFirst.cgroups.watches + WORKLOADS / 4, `${name}: nobody watches them any more`)
    }
  }),
)
