// Traffic with and without the exporter, in turns on the same machine within seconds. Knows when to run; nothing of programs.
import { setTimeout as sleep } from 'node:timers/promises'
import { Undo } from '../test/harness/undo.ts'
import { attachEmpty } from './empty.ts'
import { Scraper, startExporter } from './exporter.ts'
import { setAdopting, strangers } from './kernel-view.ts'
import { Place } from './place.ts'
import { digits, type Section, shownRatio, spread, verdict } from './report.ts'
import { type Block, ratioOfMedians } from './statistics.ts'
import { runClient, WORKLOADS, type Workload } from './workloads.ts'

/** Each is: without, empty programs, with, with, empty programs, without. */
const BLOCKS = 7
const RUN_SECONDS = 2
/** What a new exporter still has to do after it is ready, and its garbage. */
const SETTLE_MS = 300
/** How long one run waits for other exporters of this host to end. */
const PATIENCE_MS = 20_000
/** As often as Prometheus asks. */
const SCRAPE_EVERY_SECONDS = 15

export const TITLE = 'Traffic with and without the exporter'

/** Transactions a second, of each run of each block. */
interface Rounds {
  readonly before: number[]
  readonly empty: [number, number][]
  readonly with: [number, number][]
  readonly after: number[]
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
      `Client and server in two network namespaces on a veth pair, both on one core, which they keep busy: the ratio is that of core time for one transaction, of both ends`,
      `together. ${BLOCKS} blocks of runs of ${RUN_SECONDS} s: without, with empty programs at the same hooks, with, with, empty, without. The exporter is started and ended each time, on`,
      `all cores, with default settings, scraped every ${SCRAPE_EVERY_SECONDS} s of its running, adoption over (see below). Ratios are of medians to those without, in brackets the 95 % interval of a`,
      `bootstrap over blocks. *Noise floor*: the same ratio of the last runs of the blocks to the first, both without. *Empty*: what the kernel takes for calling any program there.`,
    ].join(' '),
    head: ['', 'without', 'with', 'ratio', 'target', 'noise floor', 'empty'],
    rows,
  }
}

async function compare(workload: Workload, tell: (line: string) => void): Promise<Rounds> {
  const undo = new Undo()
  try {
    const place = new Place(undo)
    const server = workload.serve(place)
    const [port = 0] = await server.ports()
    const run = async (...pids: number[]): Promise<number> => {
      await quiet(pids, tell)
      const { perSecond, failures } = await runClient(place, workload, port, RUN_SECONDS)
      if (failures > 0) tell(`${failures} failures`)
      return perSecond
    }
    const empty = async (): Promise<number> => {
      using _ = attachEmpty()
      return await run()
    }
    const rounds: Rounds = { before: [], empty: [], with: [], after: [] }
    await run() // caches and tables warm up
    let unscraped = 0
    for (let block = 0; block < BLOCKS; block++) {
      rounds.before.push(await run())
      const first = await empty()
      const exporter = await startExporter(undo)
      setAdopting(exporter.pid, false)
      await sleep(SETTLE_MS)
      using scraper = new Scraper(exporter.port)
      const scraped = async (): Promise<number> => {
        unscraped += RUN_SECONDS
        const due = unscraped >= SCRAPE_EVERY_SECONDS
        if (due) unscraped = 0
        const [result] = await Promise.all([run(exporter.pid), due && sleep((RUN_SECONDS * 1000) / 2).then(() => scraper.fetch('gzip'))])
        return result
      }
      rounds.with.push([await scraped(), await scraped()])
      await exporter.stop()
      rounds.empty.push([first, await empty()])
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

function rowOf({ name, unit, scale, least }: Workload, { before, empty, with: exporter, after }: Rounds): string[] {
  const without = before.map((first, block) => [first, after[block] ?? Number.NaN])
  const blocks = (above: readonly (readonly number[])[], below: readonly (readonly number[])[]): Block[] =>
    above.map((runs, block) => ({ above: runs, below: below[block] ?? [] }))
  const each = (runs: readonly number[]): number[][] => runs.map((run) => [run])
  const show = (runs: readonly number[]): string =>
    spread(
      runs.map((perSecond) => perSecond / scale),
      digits(1),
    )
  const ratio = ratioOfMedians(blocks(exporter, without))
  return [
    `${name}, ${unit}`,
    show(without.flat()),
    show(exporter.flat()),
    shownRatio(ratio),
    verdict(ratio, least),
    shownRatio(ratioOfMedians(blocks(each(after), each(before)))),
    shownRatio(ratioOfMedians(blocks(empty, without))),
  ]
}
