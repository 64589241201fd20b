// What a ledger of fifty thousand series costs: the event loop's share of a collection in which a tenth of them moved, and a start.
// Knows the series that it makes; nothing of how they are kept.
import { join } from 'node:path'
import { mountBpffs } from '../test/harness/bpffs.ts'
import { until } from '../test/harness/child.ts'
import type { Exporter } from '../test/harness/exporter.ts'
import { Undo } from '../test/harness/undo.ts'
import type { Share } from './collection-share.ts'
import { FIRST, metric, residentMiB, startExporter } from './exporter.ts'
import { ManyFlows, PORTS } from './many-flows.ts'
import { below, digits, type Section, spread } from './report.ts'
import { timeToReady } from './start.ts'
import { quantile } from './statistics.ts'

const SERIES = 50_000
const MOVED = 5000
/** Bytes and packets, both ways, and room to spare. */
const LIMIT = String(5 * SERIES)
/** Of each kind; they take turns. */
const COLLECTIONS = 20
/** Exporters run for days: what a collection takes before its code is compiled is no figure of theirs. */
const WARM_UP = 10
const INTERVAL = '2s'
const STARTS = 10
const MOST_LOOP_MS = 20
const READY_SECONDS = 2

export const TITLE = 'Ledger'

interface Figures {
  readonly moved: readonly Share[]
  readonly still: readonly Share[]
  readonly readyMs: readonly number[]
  readonly rssMiB: number
}

export async function ledger(tell: (line: string) => void): Promise<Section> {
  const figures = await measure()
  tell(JSON.stringify(figures))
  const { moved, still, readyMs, rssMiB } = figures
  const row = (what: string, values: readonly number[], limit?: [number, string], show = digits(1)): string[] => [
    what,
    spread(values, show),
    show(Math.max(...values)),
    limit === undefined ? '' : below(quantile(values, 0.75) / (limit[1] === ' s' ? 1000 : 1), ...limit),
  ]
  return {
    title: TITLE,
    method: [
      `${SERIES.toLocaleString('en-US')} series (UDP to ${PORTS} ports from each of ${SERIES / PORTS} cgroups) in a ledger pinned on a bpffs of its own, ORB8_SERIES_LIMIT=${LIMIT}. ${COLLECTIONS} collections in the background, after ${WARM_UP} that are not counted, nobody scraping, from the`,
      `beat to the snapshot: the time in which the event loop did not wait, and the CPU time of its thread; in ${COLLECTIONS} others the longest time in which it took no turn, by a timer of 1 ms. *Start*: ${STARTS} starts that take over`,
      `what the one before left, half of these ended by SIGTERM, half by SIGKILL, from the process' start to \`/readyz\` 200, in its first collection too. All scheduled before everybody else (chrt -f), so that others on the machine disturb less.`,
    ].join(' '),
    head: ['', 'ms', 'at most', 'target'],
    rows: [
      row(`event loop of a collection, ${MOVED.toLocaleString('en-US')} moved`, given(moved, 'activeMs'), [MOST_LOOP_MS, ' ms']),
      row('its CPU time', given(moved, 'cpuMs')),
      row('held at a time', given(moved, 'longestMs')),
      row('event loop of a collection, none moved', given(still, 'activeMs')),
      row('held at a time', given(still, 'longestMs')),
      row('process started to `/readyz` 200', readyMs, [READY_SECONDS, ' s'], digits(0)),
    ],
    remarks: [`Resident memory of the exporter: ${rssMiB.toFixed(0)} MiB.`],
  }
}

async function measure(): Promise<Figures> {
  const undo = new Undo()
  try {
    const { pins } = mountBpffs(undo)
    const flows = await ManyFlows.open(undo, SERIES / PORTS)
    const args = ['--pin-path', pins, '--series-limit', LIMIT, '--collect-interval', INTERVAL]
    const probe = join(import.meta.dirname, 'collection-share.ts')
    const exporter = await startExporter(undo, { args, wrapper: FIRST, env: { NODE_OPTIONS: `--import=${probe}` } })
    await flows.send()
    await next(exporter, exporter.log.length)
    await expectSeries(exporter)
    const moved = await collections(exporter, () => flows.send(PORTS, MOVED / PORTS))
    const still = await collections(exporter, async () => undefined)
    const rssMiB = residentMiB(exporter.pid)
    await exporter.die()
    const readyMs: number[] = []
    for (let i = 0; i < STARTS; i++) readyMs.push(await timeToReady({ args, wrapper: FIRST, end: i % 2 === 0 ? 'SIGTERM' : 'SIGKILL' }))
    await expectSeries(await startExporter(undo, { args }))
    return { moved, still, readyMs, rssMiB }
  } finally {
    await undo.all()
  }
}

/** The next collection that ends after so many lines of the log. */
async function next(exporter: Exporter, after: number): Promise<Share> {
  let found: Share | undefined
  await until('a collection', () => {
    const line = exporter.log.slice(after).find((text) => text.startsWith('{"share"'))
    found = line === undefined ? undefined : (JSON.parse(line) as { share: Share }).share
    return found !== undefined
  })
  return found as Share
}

/** Each has what `before` did before it. */
async function collections(exporter: Exporter, before: () => Promise<void>): Promise<Share[]> {
  const shares: Share[] = []
  await next(exporter, exporter.log.length)
  while (shares.length < 2 * COLLECTIONS + WARM_UP) {
    const after = exporter.log.length
    await before()
    shares.push(await next(exporter, after))
  }
  return shares.slice(WARM_UP)
}

async function expectSeries(exporter: Exporter): Promise<void> {
  const lines = await metric(exporter, 'orb8_series')
  if (lines < 4 * SERIES) throw new Error(`${lines} sample lines are not ${SERIES} series`)
}

function given(shares: readonly Share[], name: 'activeMs' | 'cpuMs' | 'longestMs'): number[] {
  return shares.flatMap((share) => share[name] ?? [])
}
