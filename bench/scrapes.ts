// Scrapes of the running exporter with few and many series, all of which move in between: time, event loop, CPU, memory.
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Undo } from '../test/harness/undo.ts'
import { cpuMs, metric, residentMiB, Scraper, startExporter } from './exporter.ts'
import { ManyFlows, PORTS } from './many-flows.ts'
import { below, digits, type Section, spread } from './report.ts'
import { quantile } from './statistics.ts'

const LINES = [1000, 10_000, 100_000]
const SCRAPES = 20
const DELAYS = 10
const SETTLE_MS = 3000
/** Bytes and packets, both ways: nothing more of UDP. */
const LINES_A_SERIES = 4
/** The limit is no part of what is measured here. */
const LIMIT = '200000'

export const TITLE = 'Scrapes, event loop and memory'

interface Figures {
  lines: number
  readonly identity: number[]
  readonly gzip: number[]
  readonly delay: number[]
  cpu: number
  settledMiB: number
  afterMiB: number
  bytes: number
}

export async function scrapes(tell: (line: string) => void): Promise<Section> {
  const rows: string[][] = []
  for (const lines of LINES) {
    const figures = await measure(lines)
    tell(JSON.stringify(figures))
    rows.push(rowOf(lines, figures))
  }
  return {
    title: TITLE,
    method: [
      `UDP to ${PORTS} ports from each of 1 to 100 cgroups, ${LINES_A_SERIES} sample lines each. Before every scrape every one of them moves. ${SCRAPES} scrapes of each encoding over one`,
      `connection, from the request to the last byte, the collection included. *Event loop*: the longest time in which it took no turn during a gzip scrape (${DELAYS} of them, by a`,
      `timer of 1 ms inside the process). *RSS*: ${SETTLE_MS / 1000} s after the series came up, and after ${2 * SCRAPES} scrapes.`,
    ].join(' '),
    head: [
      'sample lines',
      'gzip, ms',
      'identity, ms',
      'size, MB',
      'event loop, ms',
      'CPU a scrape, ms',
      'RSS settled, MiB',
      'RSS after, MiB',
      'targets',
    ],
    rows,
  }
}

async function measure(lines: number): Promise<Figures> {
  const figures: Figures = { lines: 0, identity: [], gzip: [], delay: [], cpu: 0, settledMiB: 0, afterMiB: 0, bytes: 0 }
  const undo = new Undo()
  try {
    const ports = Math.min(PORTS, lines / LINES_A_SERIES)
    const flows = await ManyFlows.open(undo, lines / LINES_A_SERIES / ports)
    await timesAndMemory(undo, flows, figures)
    await delays(undo, flows, figures)
    return figures
  } finally {
    await undo.all()
  }
}

async function timesAndMemory(undo: Undo, flows: ManyFlows, figures: Figures): Promise<void> {
  const exporter = await startExporter(undo, { env: { ORB8_SERIES_LIMIT: LIMIT } })
  using scraper = new Scraper(exporter.port)
  await flows.send()
  await scraper.fetch('gzip')
  await sleep(SETTLE_MS)
  figures.settledMiB = residentMiB(exporter.pid)
  for (const encoding of ['gzip', 'identity'] as const) {
    const before = cpuMs(exporter.pid)
    for (let i = 0; i < SCRAPES; i++) {
      await flows.send()
      const { ms, bytes } = await scraper.fetch(encoding)
      figures[encoding].push(ms)
      figures.bytes = bytes
    }
    if (encoding === 'gzip') figures.cpu = (cpuMs(exporter.pid) - before) / SCRAPES
  }
  await sleep(SETTLE_MS)
  figures.afterMiB = residentMiB(exporter.pid)
  figures.lines = await metric(exporter, 'orb8_series')
  await exporter.stop()
}

async function delays(undo: Undo, flows: ManyFlows, figures: Figures): Promise<void> {
  const probe = join(import.meta.dirname, 'loop-delay.ts')
  const exporter = await startExporter(undo, { env: { ORB8_SERIES_LIMIT: LIMIT, NODE_OPTIONS: `--import=${probe}` } })
  using scraper = new Scraper(exporter.port)
  const longest = async (): Promise<number> => {
    const told = exporter.log.length
    process.kill(exporter.pid, 'SIGUSR2')
    for (;;) {
      await sleep(5)
      const line = exporter.log.slice(told).find((text) => text.includes('longestDelayMs'))
      if (line !== undefined) return (JSON.parse(line) as { longestDelayMs: number }).longestDelayMs
    }
  }
  // The first one makes the series and encodes their labels.
  for (let i = 0; i <= DELAYS; i++) {
    await flows.send()
    await longest()
    await scraper.fetch('gzip')
    figures.delay.push(await longest())
  }
  await exporter.stop()
}

const LIMITS: ReadonlyMap<number, { readonly ms?: number; readonly delay?: number; readonly rss: number }> = new Map([
  [1000, { rss: 110 }],
  [100_000, { ms: 150, delay: 20, rss: 200 }],
])

function rowOf(lines: number, { identity, gzip, delay, cpu, settledMiB, afterMiB, bytes, lines: published }: Figures): string[] {
  const { ms, delay: most, rss } = LIMITS.get(lines) ?? {}
  const [first = 0, ...later] = delay
  const targets = [
    ms && `gzip ${below(quantile(gzip, 0.75), ms, ' ms')}`,
    ms && `identity ${below(quantile(identity, 0.75), ms, ' ms')}`,
    most && `loop ${below(quantile(later, 0.75), most, ' ms')}`,
    rss && `RSS ${below(Math.max(settledMiB, afterMiB), rss, ' MiB')}`,
  ]
  return [
    published.toLocaleString('en-US'),
    spread(gzip, digits(0)),
    spread(identity, digits(0)),
    (bytes / 1e6).toFixed(1),
    `${spread(later, digits(1))}, the first ${first.toFixed(0)}, at most ${Math.max(...later).toFixed(0)}`,
    cpu.toFixed(0),
    settledMiB.toFixed(0),
    afterMiB.toFixed(0),
    targets.filter(Boolean).join('; '),
  ]
}
