// How long from starting the process until it counts and has collected once. Knows nothing of traffic.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { get } from 'node:http'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Undo } from '../test/harness/undo.ts'
import { metric, startExporter } from './exporter.ts'
import { below, digits, type Section, spread } from './report.ts'
import { quantile } from './statistics.ts'

const STARTS = 10
const ASK_EVERY_MS = 5
const READY_SECONDS = 1.5
const CLI = join(import.meta.dirname, '..', 'dist', 'cli.js')

export const TITLE = 'Start'

export async function start(): Promise<Section> {
  const ready: number[] = []
  const load: number[] = []
  for (let i = 0; i < STARTS; i++) {
    ready.push(await timeToReady())
    load.push(await timeToLoad())
  }
  return {
    title: TITLE,
    method: `${STARTS} starts of \`node dist/cli.js\` with default settings, \`/readyz\` asked every ${ASK_EVERY_MS} ms. Loading: \`orb8_bpf_load_seconds\`, of it the verifier's work most.`,
    head: ['', 'ms', 'target'],
    rows: [
      ['process started to `/readyz` 200', spread(ready, digits(0)), below(quantile(ready, 0.75) / 1000, READY_SECONDS, ' s')],
      ['loading and attaching the programs', spread(load, digits(0)), ''],
    ],
  }
}

async function timeToLoad(): Promise<number> {
  const undo = new Undo()
  try {
    return (await metric(await startExporter(undo), 'orb8_bpf_load_seconds')) * 1000
  } finally {
    await undo.all()
  }
}

interface StartOptions {
  readonly args?: readonly string[]
  /** Runs it. */
  readonly wrapper?: readonly string[]
  /** How the process then ends. */
  readonly end?: 'SIGTERM' | 'SIGKILL'
}

/** ms. */
export async function timeToReady({ args = [], wrapper = [], end = 'SIGTERM' }: StartOptions = {}): Promise<number> {
  const port = await freePort()
  const [command = '', ...rest] = [...wrapper, process.execPath, CLI, '--listen', `127.0.0.1:${port}`, ...args]
  const began = performance.now()
  const child = spawn(command, rest, { stdio: 'ignore' })
  const ended = once(child, 'exit')
  try {
    while ((await status(port)) !== 200) {
      if (child.exitCode !== null) throw new Error(`the exporter ended with ${child.exitCode}`)
      await sleep(ASK_EVERY_MS)
    }
    return performance.now() - began
  } finally {
    child.kill(end)
    await ended
  }
}

function status(port: number): Promise<number> {
  return new Promise((resolve) => {
    const request = get({ host: '127.0.0.1', port, path: '/readyz', agent: false }, (response) => {
      response.resume()
      resolve(response.statusCode ?? 0)
    })
    request.on('error', () => resolve(0))
  })
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  return typeof address === 'object' && address !== null ? address.port : 0
}
