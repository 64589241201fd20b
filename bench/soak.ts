// A million connections of ten thousand workloads that come and go, scraped twice a second: is every byte there, does anything stay
// behind, does memory grow? Knows what the workloads did; nothing of how it is counted.
import { setTimeout as sleep } from 'node:timers/promises'
import { mountBpffs } from '../test/harness/bpffs.ts'
import { makeCgroup } from '../test/harness/cgroups.ts'
import { Crowd, type Member } from '../test/harness/crowd.ts'
import type { Exporter } from '../test/harness/exporter.ts'
import { parseExposition, type Scrape, sum } from '../test/harness/exposition.ts'
import { cgroupsInMaps } from '../test/harness/kernel-entries.ts'
import type { LastingSums } from '../test/harness/lasting-sums.ts'
import { makeNamespace } from '../test/harness/namespaces.ts'
import { differences, soakSums } from '../test/harness/soak.ts'
import { Bulk } from '../test/harness/traffic.ts'
import { Undo } from '../test/harness/undo.ts'
import { residentMiB, startExporter } from './exporter.ts'
import { digits, type Section } from './report.ts'
import { median } from './statistics.ts'

const WORKLOADS = 10_000
const CONNECTIONS = 100
const AT_ONCE = 250
const LIFE_MS = 10_000
const SCRAPE_MS = 500
/** The least that ORB8_SERIES_IDLE takes: within the first quarter as many series leave as come. */
const IDLE = '1m'
const IDLE_MS = 60_000
const LIMIT_SECONDS = 1800
const MOST_GROWTH = 0.05
const ADDRESSES = 64
const PORTS = '0,0,0,0'

export const TITLE = 'Soak'

/** What the exporter holds of things that come and go. */
interface Held {
  readonly series: number
  readonly flows: number
  readonly sockets: number
  readonly rssMiB: number
}

interface Figures {
  readonly connections: number
  readonly seconds: number
  readonly scrapes: number
  readonly wrong: readonly string[]
  readonly falls: readonly string[]
  readonly left: number
  /** Bytes of all rows, less orb8_attributed_bytes_total. */
  readonly unattributed: number
  readonly rssMiB: readonly number[]
  readonly mostSeries: number
  readonly before: Held
  readonly after: Held
  /** Entries of the workloads in the kernel's maps. */
  readonly entriesLeft: number
  /** Workloads that still have rows. */
  readonly shown: number
}

export async function soak(tell: (line: string) => void): Promise<Section> {
  const rows: string[][] = []
  for (const pinned of [false, true]) {
    const figures = await measure(pinned, tell)
    tell(JSON.stringify({ pinned, ...figures, rssMiB: tenths(figures.rssMiB).map((mib) => Math.round(mib * 10) / 10) }))
    rows.push(rowOf(pinned, figures))
  }
  return {
    title: TITLE,
    method: [
      `${WORKLOADS.toLocaleString('en-US')} workloads of ${CONNECTIONS} connections each to one server, over ${ADDRESSES} addresses; each a process in a cgroup made for it and removed when it has ended, ${AT_ONCE} at once for`,
      `${LIFE_MS / 1000} s each; connections end by the client's FIN, the server's, or a reset. A scrape every ${SCRAPE_MS} ms, defaults but ORB8_SERIES_IDLE=${IDLE}. *Exact*: bytes and connections that a workload's rows showed, those that`,
      `left included, are what its process wrote, read and made; in the flow metrics and in the container totals. *Attributed*: \`orb8_attributed_bytes_total\` less the bytes of all rows of the host ever shown. *RSS*: medians of a tenth of the time:`,
      `after a quarter, after half, at the end. *Series*: sample lines in use at most, and before and after. *Flows*: entries drained of the kernel's map, before and after; *sockets*: watched, before and after, other users' of the machine among both. *Left behind*: workloads that still have rows, and their entries in the kernel's maps.`,
    ].join(' '),
    head: [
      'pins',
      'connections',
      's',
      'scrapes',
      'exact',
      'falls',
      'rows that left',
      'attributed',
      'RSS, MiB',
      'growth',
      'target',
      'series',
      'flows',
      'sockets',
      'left behind',
    ],
    rows,
  }
}

async function measure(pinned: boolean, tell: (line: string) => void): Promise<Figures> {
  const undo = new Undo()
  try {
    const namespace = makeNamespace(undo, 'soak')
    const serverCgroup = makeCgroup(undo, 'server')
    const parent = makeCgroup(undo, 'crowd')
    const options = { address: '0.0.0.0', port: PORTS, threads: 8, limit: LIMIT_SECONDS } as const
    const serving = new Bulk(undo, { namespace, cgroup: serverCgroup }, 'serve', options)
    const ports = await serving.ports()
    const exporter = await startExporter(undo, {
      args: ['--series-idle', IDLE, ...(pinned ? ['--pin-path', mountBpffs(undo).pins] : [])],
    })
    const sums = soakSums()
    const look = async (): Promise<Held> => held(exporter, await take(exporter, sums))
    await look()
    const before = await look()

    const crowd = new Crowd(undo, {
      parent,
      namespace,
      address: '127.0.0.1',
      addresses: ADDRESSES,
      ports,
      workloads: WORKLOADS,
      atOnce: AT_ONCE,
      connections: CONNECTIONS,
      lifeMs: LIFE_MS,
      limitSeconds: LIMIT_SECONDS,
    })
    const members: Member[] = []
    let over = false
    const gone = (async () => {
      for await (const member of crowd.members()) {
        members.push(member)
        if (members.length % (WORKLOADS / 10) === 0)
          tell(`${members.length} workloads have gone, RSS ${residentMiB(exporter.pid).toFixed(1)} MiB`)
      }
    })().finally(() => {
      over = true
    })
    gone.catch(() => undefined)
    const rssMiB: number[] = []
    let mostSeries = 0
    const began = performance.now()
    for (let next = began; !over; next = Math.max(next + SCRAPE_MS, performance.now())) {
      await sleep(Math.max(0, next - performance.now()))
      mostSeries = Math.max(mostSeries, numberOf(await take(exporter, sums), 'orb8_series'))
      rssMiB.push(residentMiB(exporter.pid))
    }
    await gone
    const seconds = (performance.now() - began) / 1000
    const server = await serving.stop()
    const failures = members.reduce((all, member) => all + member.failures, server.failures)
    if (failures > 0) throw new Error(`${failures} connections failed: nobody can say what they moved`)
    await take(exporter, sums)
    const wrong = differences(sums, members, [serverCgroup, server])

    for (const end = performance.now() + IDLE_MS + LIFE_MS; performance.now() < end; await sleep(SCRAPE_MS)) await look()
    const after = await look()
    const own = new Set(members.map(({ cgroup }) => cgroup))
    const names = new Set([serverCgroup.workload, ...members.map(({ name }) => name)])
    return {
      connections: server.connections,
      seconds,
      scrapes: rssMiB.length,
      wrong,
      falls: sums.falls,
      left: sums.leavings,
      unattributed: await unattributed(exporter, sums),
      rssMiB,
      mostSeries,
      before,
      after,
      entriesLeft: cgroupsInMaps(exporter.pid).filter((cgroup) => own.has(cgroup)).length,
      shown: sums.shown().intersection(names).size,
    }
  } finally {
    await undo.all()
  }
}

async function take(exporter: Exporter, sums: LastingSums): Promise<string> {
  const { status, body } = await exporter.get('/metrics')
  if (status !== 200) throw new Error(`/metrics answers ${status}: ${body.slice(0, 200)}`)
  sums.take(body)
  return body
}

function held(exporter: Exporter, body: string): Held {
  const scrape = parseExposition(body)
  return {
    series: sum(scrape, 'orb8_series'),
    flows: sum(scrape, 'orb8_bpf_map_entries', { map: 'flows' }),
    sockets: sum(scrape, 'orb8_sockets_tracked'),
    rssMiB: residentMiB(exporter.pid),
  }
}

/** A collection in the background may come between what a scrape shows of rows and of the exporter itself: then once more. */
async function unattributed(exporter: Exporter, sums: LastingSums): Promise<number> {
  let rest = 0
  for (let tries = 0; tries < 5; tries++) {
    const scrape: Scrape = parseExposition(await take(exporter, sums))
    rest = sums.total('containerSent') + sums.total('containerReceived') - sum(scrape, 'orb8_attributed_bytes_total')
    if (rest === 0) return 0
  }
  return rest
}

/** Of a sample without labels; a whole page is not parsed twice a second. */
function numberOf(body: string, name: string): number {
  return Number(new RegExp(`^${name} (.*)$`, 'm').exec(body)?.[1])
}

/** Medians of each tenth of the time. */
function tenths(values: readonly number[]): number[] {
  return Array.from({ length: 10 }, (_, at) => median(values.slice((at * values.length) / 10, ((at + 1) * values.length) / 10)))
}

function rowOf(pinned: boolean, figures: Figures): string[] {
  const { connections, seconds, scrapes, wrong, falls, left, rssMiB, before, after } = figures
  const at = (share: number): number => median(rssMiB.slice(share * rssMiB.length, (share + 0.1) * rssMiB.length))
  const [quarter, half, end] = [at(0.25), at(0.5), at(0.9)]
  const growth = end / quarter - 1
  const count = digits(0)
  const inexact = new Set(wrong.map((difference) => difference.split(' ', 1)[0])).size
  return [
    pinned ? 'with' : 'without',
    count(connections),
    count(seconds),
    count(scrapes),
    `${count(WORKLOADS + 1 - inexact)} of ${count(WORKLOADS + 1)}`,
    count(falls.length),
    count(left),
    count(figures.unattributed),
    [quarter, half, end].map(digits(1)).join(', '),
    `${(100 * growth).toFixed(1)} %`,
    `< ${100 * MOST_GROWTH} %: ${growth < MOST_GROWTH ? 'reached' : '**missed**'}`,
    `${count(figures.mostSeries)}; ${count(before.series)}, ${count(after.series)}`,
    `${count(before.flows)}, ${count(after.flows)}`,
    `${count(before.sockets)}, ${count(after.sockets)}`,
    `${count(figures.shown)}, ${count(figures.entriesLeft)}`,
  ]
}
