// The HTTP server: which path answers what, and how long and how many may ask. Knows HTTP; nothing of how snapshots are made,
// written or compressed.
import { once } from 'node:events'
import { createServer as createNodeServer, type IncomingMessage, type Server as NodeServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Orb8Error } from '../errors.ts'
import type { Snapshot } from '../model.ts'
import { LANDING_POLICY, landingPage } from './landing.ts'
import { send, sendText } from './reply.ts'
import type { Verdict } from './rounds.ts'
import { Scrapes, type ScrapesOptions } from './scrapes.ts'

export interface ServerOptions extends ScrapesOptions {
  /** An empty host: every address of this machine. Port 0: one that the kernel picks. */
  readonly listen: { readonly host: string; readonly port: number }
  readonly latest: () => Snapshot | undefined
  /** One before `latest`, for rates. */
  readonly earlier?: () => Snapshot | undefined
  readonly health: () => Verdict
  readonly ready: () => Verdict
  readonly info: { readonly version: string; readonly nodeName: string }
  /** A clock, ms since the epoch. */
  readonly now?: () => number
}

export interface Server {
  /** Where it listens in fact. */
  readonly host: string
  readonly port: number
  /** Takes no more; what is being answered has `graceMs` to end, then is cut. Resolves when nothing is open. */
  close(graceMs?: number): Promise<void>
}

/** Connections at once, an open file each: ten times what a busy cluster's scrapers and probes need. Beyond it new ones are dropped. */
const MAX_CONNECTIONS = 1024

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

/** Listens. Throws Orb8Error where it cannot. */
export async function createServer(options: ServerOptions): Promise<Server> {
  const scrapes = new Scrapes(options)
  const server = createNodeServer(LIMITS, (request, response) => answer(request, response, options, scrapes))
  server.maxConnections = MAX_CONNECTIONS
  server.maxHeadersCount = 100
  const { host, port } = await listen(server, options.listen)
  return { host, port, close: (graceMs = GRACE_MS) => close(server, graceMs) }
}

const REMEDIES: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another process listens there: end it, or choose another port with ORB8_LISTEN',
  EACCES: 'a port below 1024 needs CAP_NET_BIND_SERVICE: choose a higher one with ORB8_LISTEN',
  EADDRNOTAVAIL: 'this host has no such address: name one that it has in ORB8_LISTEN',
  EAFNOSUPPORT: 'this host has no such kind of address: name one that it has in ORB8_LISTEN',
  ENOTFOUND: 'the name has no address: name one in ORB8_LISTEN',
}

async function listen(server: NodeServer, { host, port }: ServerOptions['listen']): Promise<{ host: string; port: number }> {
  const where = `${host.includes(':') ? `[${host}]` : host}:${port}`
  try {
    server.listen(host === '' ? { port } : { port, host })
    await once(server, 'listening')
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? String(error)
    throw new Orb8Error(`listen on ${where}`, code, REMEDIES[code] ?? 'set ORB8_LISTEN', { cause: error })
  }
  const address = server.address() as AddressInfo
  return { host: address.address, port: address.port }
}

async function close(server: NodeServer, graceMs: number): Promise<void> {
  if (!server.listening) return
  const closed = once(server, 'close')
  server.close()
  const cut = setTimeout(() => server.closeAllConnections(), graceMs)
  await closed
  clearTimeout(cut)
}

function answer(request: IncomingMessage, response: ServerResponse, options: ServerOptions, scrapes: Scrapes): void {
  // Both ends may vanish at any moment: that is theirs to know.
  request.on('error', () => undefined)
  response.on('error', () => undefined)
  request.resume()
  response.setHeader('X-Content-Type-Options', 'nosniff')
  response.setHeader('Cache-Control', 'no-store')
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
  response.setHeader('Content-Security-Policy', LANDING_POLICY)
  response.setHeader('Referrer-Policy', 'no-referrer')
  send(request, response, 200, 'text/html; charset=utf-8', landingPage({ ...info, latest: latest(), earlier: earlier?.(), nowMs: now() }))
}

function sendVerdict(request: IncomingMessage, response: ServerResponse, { ok, reason }: Verdict): void {
  sendText(request, response, ok ? 200 : 503, ok ? 'ok' : reason)
}
