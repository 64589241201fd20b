// The HTTP server: which path answers what, and how long and how many may ask. Knows HTTP; nothing of how snapshots are made,
// written or compressed, nor of who may come in.
import { once } from 'node:events'
import { createServer as createNodeServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createNetServer, type Server as NetServer, type Socket } from 'node:net'
import type { Snapshot } from '../model.ts'
import { Connections } from './connections.ts'
import { Door, type DoorOptions } from './door.ts'
import { LANDING_POLICY, landingPage } from './landing.ts'
import { type ListenAddress, listen } from './listener.ts'
import { send, sendText } from './reply.ts'
import type { Verdict } from './rounds.ts'
import { Scrapes, type ScrapesOptions } from './scrapes.ts'

export interface ServerOptions extends ScrapesOptions {
  /** One at least. */
  readonly listen: readonly ListenAddress[]
  /** Who may come in, and how; undefined: everybody, unencrypted. */
  readonly door?: DoorOptions | undefined
  readonly latest: () => Snapshot | undefined
  /** One before `latest`, for rates. */
  readonly earlier?: () => Snapshot | undefined
  readonly health: () => Verdict
  readonly ready: () => Verdict
  readonly info: { readonly version: string; readonly nodeName: string }
  /** A clock, ms since the epoch. */
  readonly now?: () => number
  readonly limits?: Partial<typeof LIMITS>
}

export interface Server {
  /** Where it listens in fact, as it would stand in ORB8_LISTEN. */
  readonly addresses: readonly string[]
  /** Takes no more; what is being answered has `graceMs` to end, then is cut. Resolves when nothing is open. */
  close(graceMs?: number): Promise<void>
}

const LIMITS = {
  maxHeaderSize: 16 * 1024,
  headersTimeout: 10_000,
  // Nobody has a body to send here.
  requestTimeout: 15_000,
  // Longer than the usual scrape intervals up to a minute, so that a scraper's connection lives on between two.
  keepAliveTimeout: 75_000,
  connectionsCheckingInterval: 5000,
}

const GRACE_MS = 2000

/** Listens. Throws Orb8Error where it cannot, or where the rules of the door are wrong. */
export async function createServer(options: ServerOptions): Promise<Server> {
  const scrapes = new Scrapes(options)
  const connections = new Connections()
  const limits = { ...LIMITS, ...options.limits }
  const server = createNodeServer(limits, (request, response) => {
    if (enter(request, response, connections)) void come(request, response, options, scrapes, door)
  })
  server.maxHeadersCount = 100
  // A connection goes through the door first, and may come out of it encrypted.
  const [serve] = server.listeners('connection')
  server.removeAllListeners('connection')
  const pass = (socket: Socket): void => serve?.call(server, socket)
  const door = options.door && (await Door.open(options.door, { pass, handshakeMs: limits.headersTimeout }))
  const receive = (raw: Socket): void => {
    raw.on('error', () => undefined)
    if (connections.admit(raw)) door === undefined ? pass(raw) : door.receive(raw)
  }
  server.on('connection', receive)
  // Node's own looks after connections while it listens itself: the first address is its own, the others hand on.
  const servers: readonly NetServer[] = options.listen.map((_, index) =>
    index === 0 ? server : createNetServer({ allowHalfOpen: true, noDelay: true }, receive),
  )
  const closeAll = (graceMs: number): Promise<void> => close(servers, connections, graceMs)
  const addresses: string[] = []
  try {
    for (const [index, address] of options.listen.entries()) addresses.push(await listen(servers[index] ?? server, address))
  } catch (error) {
    await closeAll(0)
    throw error
  }
  return { addresses, close: (graceMs = GRACE_MS) => closeAll(graceMs) }
}

async function close(servers: readonly NetServer[], connections: Connections, graceMs: number): Promise<void> {
  const listening = servers.filter((server) => server.listening)
  if (listening.length === 0) return
  const closed = Promise.all(listening.map((server) => once(server, 'close')))
  for (const server of listening) server.close()
  const cut = setTimeout(() => connections.closeAll(), graceMs)
  await closed
  clearTimeout(cut)
}

/** False where the request has had its answer. */
function enter(request: IncomingMessage, response: ServerResponse, connections: Connections): boolean {
  // Both ends may vanish at any moment: that is theirs to know.
  request.on('error', () => undefined)
  response.on('error', () => undefined)
  request.resume()
  const { socket } = request
  response.once('close', () => connections.done(socket))
  if (connections.begin(socket)) return true
  response.setHeader('Connection', 'close')
  sendText(request, response, 503, 'too many requests at once on this connection')
  return false
}

/** Never rejects. */
async function come(
  request: IncomingMessage,
  response: ServerResponse,
  options: ServerOptions,
  scrapes: Scrapes,
  door: Door | undefined,
): Promise<void> {
  response.setHeader('X-Content-Type-Options', 'nosniff')
  response.setHeader('Cache-Control', 'no-store')
  try {
    if (door === undefined || (await door.admit(request, response))) answer(request, response, options, scrapes)
  } catch (error) {
    options.report?.(error)
    if (response.headersSent) response.destroy()
    else sendText(request, response, 500, 'cannot answer: see the log')
  }
}

function answer(request: IncomingMessage, response: ServerResponse, options: ServerOptions, scrapes: Scrapes): void {
  const page = PAGES.get(pathOf(request.url ?? ''))
  if (page === undefined) sendText(request, response, 404, 'not found')
  else if (request.method === 'GET' || request.method === 'HEAD') page(request, response, options, scrapes)
  else {
    response.setHeader('Allow', 'GET, HEAD')
    sendText(request, response, 405, 'method not allowed')
  }
}

type Page = typeof answer

const PAGES: ReadonlyMap<string, Page> = new Map<string, Page>([
  ['/metrics', (request, response, _options, scrapes) => void scrapes.answer(request, response)],
  ['/healthz', (request, response, { health }) => sendVerdict(request, response, health())],
  ['/readyz', (request, response, { ready }) => sendVerdict(request, response, ready())],
  ['/', sendLanding],
])

/** The path of `/path?query` and of `http://host/path?query`. */
function pathOf(url: string): string {
  return /^(?:https?:\/\/[^/?#]*)?([^?#]*)/i.exec(url)?.[1] || '/'
}

function sendLanding(request: IncomingMessage, response: ServerResponse, { info, latest, earlier, now = Date.now }: ServerOptions): void {
  if (!response.hasHeader('Content-Security-Policy')) response.setHeader('Content-Security-Policy', LANDING_POLICY)
  response.setHeader('Referrer-Policy', 'no-referrer')
  send(request, response, 200, 'text/html; charset=utf-8', landingPage({ ...info, latest: latest(), earlier: earlier?.(), nowMs: now() }))
}

function sendVerdict(request: IncomingMessage, response: ServerResponse, { ok, reason }: Verdict): void {
  sendText(request, response, ok ? 200 : 503, ok ? 'ok' : reason)
}
