// A server on a port of its own, and clients for it, for the tests of this folder. What a test starts here ends with it.
import { Agent, type IncomingHttpHeaders, request } from 'node:http'
import { connect, type Socket } from 'node:net'
import type { Test } from 'tap'
import type { After } from '../../src/publish/deadline.ts'
import { createServer, type Server, type ServerOptions } from '../../src/publish/http.ts'
import { manyFlows } from './snapshots.ts'

export const SMALL = manyFlows(3)
const OK = { ok: true, reason: 'ok' }

/** With the port of its first address. */
export interface Served extends Server {
  readonly port: number
}

export async function serve(t: Test, options: Partial<ServerOptions> = {}): Promise<Served> {
  const server = await createServer({
    listen: [{ host: '127.0.0.1', port: 0 }],
    scrape: async () => SMALL,
    latest: () => SMALL,
    self: { families: async () => [] },
    health: () => OK,
    ready: () => OK,
    info: { version: '1.2.3', nodeName: 'node-a' },
    report: (error) => t.fail('something failed', { error: String(error) }),
    ...options,
  })
  t.teardown(() => server.close(0))
  return { ...server, port: portOf(server.addresses[0]) }
}

export const portOf = (address = ''): number => Number(/:(\d+)$/.exec(address)?.[1] ?? 0)

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

export interface Ask {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly agent?: Agent
}

export function ask({ port }: Pick<Served, 'port'>, path: string, { method = 'GET', headers = {}, agent }: Ask = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const own = agent ?? new Agent()
    const asked = request({ host: '127.0.0.1', port, path, method, headers, agent: own }, async (response) => {
      try {
        const pieces: Buffer[] = []
        for await (const piece of response) pieces.push(piece)
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(pieces) })
      } catch (error) {
        reject(error)
      }
      if (agent === undefined) own.destroy()
    })
    asked.on('error', reject)
    asked.end()
  })
}

/** A bare connection. Destroyed with the test. */
export function dial(t: Test, { port }: Pick<Served, 'port'>): Socket {
  const socket = connect({ host: '127.0.0.1', port })
  socket.on('error', () => undefined)
  t.teardown(() => socket.destroy())
  return socket
}

/** What comes until the other end closes. */
export async function readToEnd(socket: Socket): Promise<string> {
  const pieces: Buffer[] = []
  socket.on('data', (piece) => pieces.push(piece))
  await new Promise((resolve) => socket.once('close', resolve))
  return Buffer.concat(pieces).toString()
}

export interface ManualTimers {
  readonly after: After
  /** Set and not yet called or cancelled, ms. */
  pending(): number[]
  /** Calls all that were set for `ms`. */
  fire(ms: number): void
}

export function manualTimers(): ManualTimers {
  const timers = new Set<{ readonly ms: number; readonly call: () => void }>()
  return {
    after(ms, call) {
      const timer = { ms, call }
      timers.add(timer)
      return () => timers.delete(timer)
    },
    pending: () => [...timers].map(({ ms }) => ms),
    fire(ms) {
      for (const timer of timers) {
        if (timer.ms !== ms) continue
        timers.delete(timer)
        timer.call()
      }
    },
  }
}

/** Waits for `true`, asking each turn of the loop, ten seconds at most. */
export async function until(condition: () => boolean): Promise<void> {
  const end = performance.now() + 10_000
  while (!condition()) {
    if (performance.now() > end) throw new Error('waited for ten seconds in vain')
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}
