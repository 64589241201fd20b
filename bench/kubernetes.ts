// Listing and watching many pods: time, event loop, CPU, memory. The API server and who follows it are processes of their own.
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Child } from '../test/harness/child.ts'
import { Undo } from '../test/harness/undo.ts'
import { cpuMs, residentMiB } from './exporter.ts'
import { below, digits, type Section } from './report.ts'

const PODS = [0, 10_000]
const FLAT_OUT = 20_000
const PACED = 10_000
const RATE = 2000
const SETTLE_MS = 2000
const FOLDER = join(import.meta.dirname, 'kubernetes')
const PROBE = join(import.meta.dirname, 'loop-delay.ts')

export const TITLE = 'List and watch of the API server'

interface Step {
  readonly ms: number
  readonly cpuMs: number
  readonly delayMs: number
  /** What the busiest turn of the event loop took of CPU. */
  readonly turnMs: number
}

export async function kubernetes(tell: (line: string) => void): Promise<Section> {
  const rows: string[][] = []
  for (const pods of PODS) {
    const figures = await measure(pods)
    tell(`${pods} pods: ${JSON.stringify(figures)}`)
    rows.push(...rowsOf(pods, figures))
  }
  return {
    title: TITLE,
    method: [
      'Pods of 5 kB each in one body over HTTP on loopback, as real servers answer `resourceVersion=0`; of each three short fields are kept. Then a watch with changes as fast as they are',
      `taken (${FLAT_OUT}), and ${RATE} a second (${PACED}). *Event loop*: the longest time in which it took no turn, by a timer of 1 ms inside the process; *busiest turn*: the most that its thread did in one, which a busy machine does not stretch. The process holds nothing but the client`,
      'and runs from its sources, unbundled.',
    ].join(' '),
    head: ['', 'ms', 'CPU, ms', 'event loop, ms', 'busiest turn, CPU ms', 'RSS after, MiB', 'a second', 'targets'],
    rows,
  }
}

interface Figures {
  readonly list: Step & { readonly rssMiB: number }
  readonly flatOut: Step
  readonly paced: Step
  readonly rssMiB: number
}

async function measure(pods: number): Promise<Figures> {
  const undo = new Undo()
  try {
    const server = new Child(undo, process.execPath, [join(FOLDER, 'server.ts'), String(pods)])
    const { url } = JSON.parse(await server.line()) as { url: string }
    const follower = new Child(undo, process.execPath, [`--import=${PROBE}`, join(FOLDER, 'follower.ts'), url])
    await follower.line()
    const list = { ...(await step(follower, 'list')), rssMiB: await settled(follower) }
    if (pods === 0) return { list, flatOut: NONE, paced: NONE, rssMiB: list.rssMiB }
    const flatOut = await events(server, follower, `events ${FLAT_OUT}`)
    const paced = await events(server, follower, `paced ${PACED} ${RATE}`)
    return { list, flatOut, paced, rssMiB: await settled(follower) }
  } finally {
    await undo.all()
  }
}

const NONE: Step = { ms: 0, cpuMs: 0, delayMs: 0, turnMs: 0 }

async function events(server: Child, follower: Child, command: string): Promise<Step> {
  server.write(`${command}\n`)
  const { version } = JSON.parse(await server.line()) as { version: string }
  return step(follower, version)
}

/** From telling it so until it says that it is done. */
async function step(follower: Child, command: string): Promise<Step> {
  await longestDelay(follower)
  const [began, cpu] = [performance.now(), cpuMs(follower.pid)]
  follower.write(`${command}\n`)
  await follower.line()
  return { ms: performance.now() - began, cpuMs: cpuMs(follower.pid) - cpu, ...(await longestDelay(follower)) }
}

async function settled(child: Child): Promise<number> {
  await sleep(SETTLE_MS)
  return residentMiB(child.pid)
}

/** Since the last time. */
async function longestDelay(child: Child): Promise<Pick<Step, 'delayMs' | 'turnMs'>> {
  const told = child.stderr.length
  child.kill('SIGUSR2')
  for (;;) {
    await sleep(5)
    const line = child.stderr.slice(told).find((text) => text.includes('longestDelayMs'))
    if (line === undefined) continue
    const { longestDelayMs, longestCpuMs } = JSON.parse(line) as { longestDelayMs: number; longestCpuMs: number }
    return { delayMs: longestDelayMs, turnMs: longestCpuMs }
  }
}

function rowsOf(pods: number, { list, flatOut, paced, rssMiB }: Figures): string[][] {
  const [whole, one] = [digits(0), digits(1)]
  const row = (name: string, { ms, cpuMs, delayMs, turnMs }: Step, rss: string, perSecond: string, target: string): string[] => [
    name,
    whole(ms),
    whole(cpuMs),
    one(delayMs),
    one(turnMs),
    rss,
    perSecond,
    target,
  ]
  const count = whole(pods)
  if (pods === 0) return [row('an empty list', list, whole(list.rssMiB), '', '')]
  const share = paced.cpuMs / ((PACED / RATE) * 1000)
  return [
    row(
      `a list of ${count} pods`,
      list,
      whole(list.rssMiB),
      '',
      `loop ${below(list.delayMs, 20, ' ms')}; turn ${below(list.turnMs, 20, ' ms')}`,
    ),
    row(`changes flat out, ${count} pods`, flatOut, '', whole((FLAT_OUT / flatOut.ms) * 1000), ''),
    row(
      `changes at ${RATE} a second, ${count} pods`,
      paced,
      whole(rssMiB),
      whole((PACED / paced.ms) * 1000),
      `cores ${below(share, 0.5, '')}`,
    ),
  ]
}
