// What the OTLP push costs the exporter: event loop, CPU and memory with and without it, all series moving between two exports.
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Server, ServerCredentials } from '@grpc/grpc-js'
import type { Exporter } from '../test/harness/exporter.ts'
import { Undo } from '../test/harness/undo.ts'
import { cpuMs, metric, residentMiB, startExporter } from './exporter.ts'
import { ManyFlows, PORTS } from './many-flows.ts'
import { below, digits, type Section, spread } from './report.ts'
import { quantile } from './statistics.ts'

const LINES = [20_000, 60_000]
/** Bytes and packets, both ways: nothing more of UDP. */
const LINES_A_SERIES = 4
const LIMIT = '200000'
const INTERVAL_MS = 2000
const ROUNDS = 10
/** Of the event loop, at 20,000 points, ms. */
const MOST_DELAY_MS = 20
const PATH = '/opentelemetry.proto.collector.metrics.v1.MetricsService/Export'

export const TITLE = 'OTLP push'

interface Figures {
  readonly delay: number[]
  readonly held: number[]
  cpu: number
  rss: number
  lines: number
}

export async function otlp(tell: (line: string) => void): Promise<Section> {
  const rows: string[][] = []
  for (const lines of LINES) {
    for (const pushes of [false, true]) {
      const figures = await measure(lines, pushes)
      tell(JSON.stringify({ pushes, ...figures }))
      rows.push(rowOf(figures, pushes, lines === LINES[0]))
    }
  }
  return {
    title: TITLE,
    method: [
      `UDP to ${PORTS} ports from each of 20 or 60 cgroups; every ${INTERVAL_MS / 1000} s each series moves, is collected, and where it says so pushed, to a sink in another`,
      `process that decodes nothing. *Event loop*: the longest time in which it took no turn within such a round, collection included (${ROUNDS} of them, after the one`,
      'that tells all labels). *Of its own*: the most CPU time that its thread used between two turns, without what others took from it. *CPU*: all threads, a round. *RSS*: after the last.',
    ].join(' '),
    head: ['sample lines', 'push', 'event loop, ms', 'of its own, ms', 'CPU a round, ms', 'RSS, MiB', 'targets'],
    rows,
  }
}

async function measure(lines: number, pushes: boolean): Promise<Figures> {
  const undo = new Undo()
  const figures: Figures = { delay: [], held: [], cpu: 0, rss: 0, lines: 0 }
  try {
    const flows = await ManyFlows.open(undo, lines / LINES_A_SERIES / PORTS)
    const env = {
      ORB8_SERIES_LIMIT: LIMIT,
      ORB8_COLLECT_INTERVAL: `${INTERVAL_MS}ms`,
      NODE_OPTIONS: `--import=${join(import.meta.dirname, 'loop-delay.ts')}`,
      ...(pushes
        ? { OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${await sink(undo)}`, OTEL_METRIC_EXPORT_INTERVAL: String(INTERVAL_MS) }
        : {}),
    }
    await flows.send()
    const exporter = await startExporter(undo, { env })
    let before = 0
    for (let round = 0; round <= ROUNDS; round++) {
      await longestDelay(exporter)
      await flows.send()
      await sleep(INTERVAL_MS)
      const { longestDelayMs, longestCpuMs } = await longestDelay(exporter)
      figures.delay.push(longestDelayMs)
      figures.held.push(longestCpuMs)
      if (round === 0) before = cpuMs(exporter.pid)
    }
    figures.cpu = (cpuMs(exporter.pid) - before) / ROUNDS
    figures.rss = residentMiB(exporter.pid)
    figures.lines = await metric(exporter, 'orb8_series')
    await exporter.stop()
    return figures
  } finally {
    await undo.all()
  }
}

/** Takes every request; its port. */
async function sink(undo: Undo): Promise<number> {
  const server = new Server()
  const asItIs = (bytes: Buffer): Buffer => bytes
  const method = { path: PATH, requestStream: false, responseStream: false, requestDeserialize: asItIs, responseSerialize: asItIs }
  const definition = { export: { ...method, requestSerialize: asItIs, responseDeserialize: asItIs } }
  server.addService(definition, { export: (_: unknown, answer: (error: null, bytes: Buffer) => void) => answer(null, Buffer.alloc(0)) })
  const end = (): void => server.forceShutdown()
  undo.add({ gently: end, atOnce: end })
  return new Promise((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) => (error ? reject(error) : resolve(port))),
  )
}

interface Delay {
  readonly longestDelayMs: number
  readonly longestCpuMs: number
}

/** Since the last time this was asked. */
async function longestDelay(exporter: Exporter): Promise<Delay> {
  const told = exporter.log.length
  process.kill(exporter.pid, 'SIGUSR2')
  for (;;) {
    await sleep(5)
    const line = exporter.log.slice(told).find((text) => text.includes('longestDelayMs'))
    if (line !== undefined) return JSON.parse(line) as Delay
  }
}

function rowOf({ delay, held, cpu, rss, lines }: Figures, pushes: boolean, smallest: boolean): string[] {
  const [, ...later] = delay
  const [first = 0, ...own] = held
  return [
    lines.toLocaleString('en-US'),
    pushes ? 'on' : 'off',
    `${spread(later, digits(1))}, at most ${Math.max(...later).toFixed(0)}`,
    `${spread(own, digits(1))}, the first ${first.toFixed(0)}`,
    cpu.toFixed(0),
    rss.toFixed(0),
    pushes && smallest ? `loop ${below(quantile(own, 0.75), MOST_DELAY_MS, ' ms')}` : '',
  ]
}
