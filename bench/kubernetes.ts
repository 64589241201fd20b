// Following a large cluster: time, event loop, CPU, memory, and what it asks of the API server. Server and follower are processes of their own.
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Child } from '../test/harness/child.ts'
import { Undo } from '../test/harness/undo.ts'
import { cpuMs, residentMiB } from './exporter.ts'
import { askedAtRest, eventBytes } from './kubernetes/asked.ts'
import { wholeExporter } from './kubernetes/whole.ts'
import { below, digits, type Section } from './report.ts'

const PODS = [0, 10_000]
const FLAT_OUT = 20_000
const PACED = 10_000
const RATE = 2000
const MANY = 100_000
const SETTLE_MS = 2000
const EVENTS_A_SECOND = 50
const FOLDER = join(import.meta.dirname, 'kubernetes')
const PROBE = join(import.meta.dirname, 'loop-delay.ts')
/** Not ahead of others, as the bench itself may be: the kernel's own threads, which bring the bytes, would wait for them. */
const ORDINARY = ['-o', '0', process.execPath]

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
  const many = await memory()
  tell(`${MANY} pods: ${JSON.stringify(many)}`)
  rows.push(memoryRow(many))
  const whole = await wholeExporter()
  tell(`the exporter: ${JSON.stringify(whole)}`)
  const { requests, bytes, resources } = await askedAtRest()
  const event = eventBytes()
  const perSecond = (nodes: number): string => `${digits(1)((nodes * EVENTS_A_SECOND * event) / 1e6)} MB/s`
  return {
    title: TITLE,
    remarks: [
      `The exporter as a pod of the cluster, with ${whole.lines} sample lines and ${whole.pods} pods, bundled as in the image: ${digits(0)(whole.bundledMiB)} MiB resident; RSS ${below(whole.bundledMiB, 110, ' MiB')}. The same without Kubernetes: ${digits(0)(whole.withoutMiB)} MiB; as it is built, unbundled: ${digits(0)(whole.rssMiB)} MiB.`,
      `At rest, an hour, of ${resources} watches, computed from measured sizes with a bookmark a minute and a watch of 450 s on the average: ${digits(0)(requests)} requests, ${digits(0)(bytes / 1000)} kB.`,
      `With ${EVENTS_A_SECOND} changes of pods a second in the cluster (${digits(1)(event / 1000)} kB each, computed): all nodes together read ${perSecond(200)} at \`cluster\` with 200 nodes and would read ${perSecond(2000)} with 2,000; at \`services\` ${perSecond(1)}, however many there are.`,
    ],
    method: [
      'Pods of 5 kB each in one body over HTTP on loopback, as real servers answer `resourceVersion=0`, kept as the exporter keeps them at `cluster`. Then a watch with changes as fast as they are',
      `taken (${FLAT_OUT}), and ${RATE} a second (${PACED}). *Event loop*: the longest time in which it took no turn, by a timer of 1 ms inside the process; *busiest turn*: the most that its thread did in one, which a busy machine does not stretch. The process holds nothing but the client and the index`,
      'and runs from its sources, unbundled. 100,000 pods come from JSON in the process itself.',
    ].join(' '),
    head: ['', 'ms', 'CPU, ms', 'event loop, ms', 'busiest turn, CPU ms', 'RSS after, MiB', 'a second', 'targets'],
    rows,
  }
}

const startFollower = (undo: Undo, url: string): Child =>
  new Child(undo, 'chrt', [...ORDINARY, `--import=${PROBE}`, join(FOLDER, 'follower.ts'), url])

/** Of the index alone. */
async function memory(): Promise<Step & { readonly beforeMiB: number; readonly afterMiB: number }> {
  const undo = new Undo()
  try {
    const follower = startFollower(undo, 'http://127.0.0.1:1')
    await follower.line()
    await step(follower, 'fill 500')
    const beforeMiB = await settled(follower)
    return { ...(await step(follower, `fill ${MANY}`, MANY / 10_000)), beforeMiB, afterMiB: await settled(follower) }
  } finally {
    await undo.all()
  }
}

function memoryRow({ ms, cpuMs, delayMs, turnMs, beforeMiB, afterMiB }: Awaited<ReturnType<typeof memory>>): string[] {
  const [whole, one] = [digits(0), digits(1)]
  const more = afterMiB - beforeMiB
  const name = `${whole(MANY)} pods in the index`
  return [name, whole(ms), whole(cpuMs), one(delayMs), one(turnMs), whole(afterMiB), '', `+${whole(more)} MiB; ${below(more, 45, ' MiB')}`]
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
    const server = new Child(undo, 'chrt', [...ORDINARY, join(FOLDER, 'server.ts'), String(pods)])
    const { url } = JSON.parse(await server.line()) as { url: string }
    const follower = startFollower(undo, url)
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

/** From telling it so until it says that it is done; `steps`: what it says on the way. */
async function step(follower: Child, command: string, steps = 0): Promise<Step> {
  await longestDelay(follower)
  const [began, cpu] = [performance.now(), cpuMs(follower.pid)]
  follower.write(`${command}\n`)
  for (let said = 0; said <= steps; said++) await follower.line()
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
