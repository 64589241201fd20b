// `npm run bench [NAME...]`: measures, prints, and renews those parts of bench/RESULTS.md.
import { loadavg } from 'node:os'
import { TITLE as GPUS, gpus } from './gpus.ts'
import { TITLE as KUBERNETES, kubernetes } from './kubernetes.ts'
import { TITLE as LEDGER, ledger } from './ledger.ts'
import { TITLE as OTLP, otlp } from './otlp.ts'
import { TITLE as PAIRED, paired } from './paired.ts'
import { TITLE as PROGRAMS, programs } from './programs.ts'
import { render, type Section, write } from './report.ts'
import { TITLE as SCRAPES, scrapes } from './scrapes.ts'
import { TITLE as SOAK, soak } from './soak.ts'
import { TITLE as START, start } from './start.ts'
import { TITLE as WALK, walk } from './walk.ts'

interface Bench {
  readonly title: string
  /** Takes a quarter of an hour: only where it is named. */
  readonly long?: true
  readonly run: (tell: (line: string) => void) => Promise<Section>
}

const BENCHES: ReadonlyMap<string, Bench> = new Map<string, Bench>([
  ['traffic', { title: PAIRED, run: paired }],
  ['programs', { title: PROGRAMS, run: programs }],
  ['walk', { title: WALK, run: walk }],
  ['scrapes', { title: SCRAPES, run: scrapes }],
  ['otlp', { title: OTLP, run: otlp }],
  ['start', { title: START, run: start }],
  ['kubernetes', { title: KUBERNETES, run: kubernetes }],
  ['gpus', { title: GPUS, run: gpus }],
  ['ledger', { title: LEDGER, run: ledger }],
  ['soak', { title: SOAK, run: soak, long: true }],
])

const asked = process.argv.slice(2)
const unknown = asked.filter((name) => !BENCHES.has(name))
if (unknown.length > 0) {
  console.error(`bench: there is no ${unknown.join(', ')}; there are ${[...BENCHES.keys()].join(', ')}`)
  process.exit(2)
}
const tell = (line: string): void => console.error(`bench: ${line}`)
const titles = [...BENCHES.values()].map(({ title }) => title)
for (const [name, { run, long = false }] of BENCHES) {
  if (asked.length > 0 ? !asked.includes(name) : long) continue
  const load = loadavg()[0]?.toFixed(1)
  const measured = await run((line) => tell(`${name}: ${line}`))
  const section = { ...measured, remarks: [...(measured.remarks ?? []), `Load of the machine in the minute before: ${load}.`] }
  console.log(render(section))
  write(section, titles)
}
