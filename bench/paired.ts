// Traffic with and without the exporter, in turns on the same machine within seconds. Knows when to run; nothing of programs.
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { Undo } from '../test/harness/undo.ts'
import { Scraper, startExporter } from './exporter.ts'
import { setAdopting, strangers } from './kernel-view.ts'
import { Place } from './place.ts'
import { digits, type Section, shownRatio, spread, verdict } from './report.ts'
import { type Block, ratioOfMedians } from './statistics.ts'
import { runClient, WORKLOADS, type Workload } from './workloads.ts'

/** Each is: without, with, with, without. */
const BLOCKS = 10
const RUN_SECONDS = 2
/** What a new exporter still has to do after it is ready, and its garbage. */
const SETTLE_MS = 300
/** How long one run waits for other exporters of this host to end. */
const PATIENCE_MS = 20_000
/** As often as Prometheus asks. */
const SCRAPE_EVERY_SECONDS = 15

export const TITLE = 'Traffic with and without the exporter'

interface Run {
  readonly perSecond: number
  /** Busy time of the whole machine for each. */
  readonly cpuUs: number
}

interface Rounds {
  /** Of each block: the run before, the two with, the run after. */
  readonly before: Run[]
  readonly with: [Run, Run][]
  readonly after: Run[]
}

export async function paired(tell: (line: string) => void): Promise<Section> {
  const rows: string[][] = []
  for (const workload of Object.values(WORKLOADS)) {
    tell(workload.name)
    const rounds = await compare(workload, tell)
    rows.push(rowOf(workload, rounds))
  }
  return {
    title: TITLE,
    method: [
      `Client and server in two network namespaces on a veth pair, both on one core, so that every nanosecond spent shows; the exporter has both cores.`,
      `${BLOCKS} blocks of four runs of ${RUN_SECONDS} s: without, with, with, without; the exporter is started and ended each time, with`,
      `default settings and a scrape every ${SCRAPE_EVERY_SECONDS} s of its running, adoption over (see below). Ratios are of medians, with:without, in brackets the 95 %`,
      `interval of a bootstrap over blocks. *Noise floor*: the same ratio of the last runs to the first runs of the blocks, both without. *CPU*: busy time of the whole`,
      `machine for one transaction, with:without.`,
    ].join(' '),
    head: ['', 'without', 'with', 'ratio', 'target', 'noise floor', 'CPU'],
    rows,
  }
}

async function compare(workload: Workload, tell: (line: string) => void): Promise<Rounds> {
  const undo = new Undo()
  try {
    const place = new Place(undo)
    const server = workload.serve(place)
    const [port = 0] = await server.ports()
    const run = async (...pids: number[]): Promise<Run> => {
      await quiet(pids, tell)
      const busy = busyMs()
      const { perSecond, transactions, failures } = await runClient(place, workload, port, RUN_SECONDS)
      if (failures > 0) tell(`${failures} failures`)
      return { perSecond, cpuUs: ((busyMs() - busy) * 1000) / transactions }
    }
    const rounds: Rounds = { before: [], with: [], after: [] }
    await run() // caches and tables warm up
    let unscraped = 0
    for (let block = 0; block < BLOCKS; block++) {
      rounds.before.push(await run())
      const exporter = await startExporter(undo)
      setAdopting(exporter.pid, false)
      await sleep(SETTLE_MS)
      using scraper = new Scraper(exporter.port)
      const scraped = async (): Promise<Run> => {
        unscraped += RUN_SECONDS
        const due = unscraped >= SCRAPE_EVERY_SECONDS
        if (due) unscraped = 0
        const [result] = await Promise.all([run(exporter.pid), due && sleep((RUN_SECONDS * 1000) / 2).then(() => scraper.fetch('gzip'))])
        return result
      }
      rounds.with.push([await scraped(), await scraped()])
      await exporter.stop()
      rounds.after.push(await run())
    }
    await server.stop()
    return rounds
  } finally {
    await undo.all()
  }
}

/** Another exporter on this host would be measured too: gives it a while to go. */
async function quiet(pids: readonly number[], tell: (line: string) => void): Promise<void> {
  const until = performance.now() + PATIENCE_MS
  while (strangers(...pids).length > 0) {
    if (performance.now() > until) return tell('another exporter runs on this host, and is measured too')
    await sleep(250)
  }
}

function rowOf({ name, unit, scale, least }: Workload, rounds: Rounds): string[] {
  const blocks = (above: (block: number) => readonly Run[], below: (block: number) => readonly Run[], of: keyof Run): Block[] =>
    rounds.with.map((_, block) => ({ above: above(block).map((run) => run[of]), below: below(block).map((run) => run[of]) }))
  const before = (block: number): readonly Run[] => rounds.before.slice(block, block + 1)
  const after = (block: number): readonly Run[] => rounds.after.slice(block, block + 1)
  const without = (block: number): readonly Run[] => [...before(block), ...after(block)]
  const exporter = (block: number): readonly Run[] => rounds.with[block] ?? []
  const ratio = ratioOfMedians(blocks(exporter, without, 'perSecond'))
  const show = (runs: readonly Run[]): string =>
    spread(
      runs.map(({ perSecond }) => perSecond / scale),
      digits(1),
    )
  return [
    `${name}, ${unit}`,
    show([...rounds.before, ...rounds.after]),
    show(rounds.with.flat()),
    shownRatio(ratio),
    verdict(ratio, least),
    shownRatio(ratioOfMedians(blocks(after, before, 'perSecond'))),
    shownRatio(ratioOfMedians(blocks(exporter, without, 'cpuUs'))),
  ]
}

/** All cores: everything but idle, waiting for disks, and what the host took. */
function busyMs(): number {
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] =
    readFileSync('/proc/stat', 'latin1').split('\n', 1)[0]?.split(/\s+/).slice(1).map(Number) ?? []
  return (user + nice + system + irq + softirq) * 10
}
