// A Kubernetes API server of the tests' own: real HTTP or HTTPS, objects in memory, lists, watches, and every fault on command.
// It serves pods, services, nodes and ResourceSlices to get, list and watch; anything else is refused with 403 and kept in `refused`, so that a test
// can show which role is enough. Knows when to answer and when not to; nothing of who asks.
//
//   const server = await ApiServer.start(undo)
//   server.put(pod({ name: 'web', ip: '10.1.0.7' }))             // whoever watches pods gets ADDED
//   server.plan({ verb: 'watch' }, { kind: 'status', status: 500 })
//   server.cut()                                                  // every watch loses its connection
//   await server.restart({ port: 0, firstVersion: 5 })            // elsewhere, the same objects under other versions
//
// As real servers do (1.35): a list at `resourceVersion=0` ignores `limit`; an expired continue token is answered by HTTP 410, an
// expired watch by an ERROR event; a version that is not reached yet by 504; a watch from such a version is silent.
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { Socket } from 'node:net'
import { type Fault, Faults, type Match } from './api-server/faults.ts'
import { type Asked, forbidden, type Refusal, readRequest, unauthorized } from './api-server/requests.ts'
import { State } from './api-server/state.ts'
import { Watches } from './api-server/watches.ts'
import type { Issued } from './authority.ts'
import type { KubernetesObject } from './kubernetes-objects.ts'
import type { Undo } from './undo.ts'

export interface ApiServerOptions {
  /** HTTPS with it. */
  readonly certificate?: Pick<Issued, 'cert' | 'key'>
  /** Only who shows a certificate that this CA signed is let in. */
  readonly clientCa?: string
  /** Only who shows one of them as a bearer is let in; left out: everybody. */
  readonly tokens?: readonly string[]
  /** `user:password`: only who shows it is let in. */
  readonly basic?: string
  /** 0 picks a free one. */
  readonly port?: number
  readonly firstVersion?: number
  /** Pages also at `resourceVersion=0`, as servers without a cache do. */
  readonly pagesAtZero?: boolean
  /** Stands before every path. */
  readonly prefix?: string
}

export class ApiServer {
  /** All requests, in order. */
  readonly asked: Asked[] = []
  /** Those that a role with get, list and watch on pods, services, nodes and ResourceSlices does not allow. */
  readonly refused: string[] = []
  /** May be changed while it runs. */
  tokens: readonly string[] | undefined
  readonly #options: ApiServerOptions
  readonly #state: State
  readonly #watches = new Watches()
  readonly #faults = new Faults()
  readonly #sockets = new Set<Socket>()
  #server: Server | undefined
  #port = 0

  private constructor(options: ApiServerOptions) {
    this.#options = options
    this.#state = new State(options.firstVersion ?? 1000, options.pagesAtZero ?? false)
    this.tokens = options.tokens
  }

  static async start(undo: Undo, options: ApiServerOptions = {}): Promise<ApiServer> {
    const server = new ApiServer(options)
    await server.#listen(options.port ?? 0)
    undo.add({ gently: () => server.stop(), atOnce: () => server.#cutAll() })
    return server
  }

  /** With the prefix, without a slash at the end. */
  get url(): string {
    return `${this.#options.certificate === undefined ? 'http' : 'https'}://127.0.0.1:${this.#port}${this.#options.prefix ?? ''}`
  }

  get port(): number {
    return this.#port
  }

  get version(): string {
    return `${this.#state.version}`
  }

  get connections(): number {
    return this.#sockets.size
  }

  /** How many watches are open, of one resource or of all. */
  watching(resource?: string): number {
    return this.#watches.of(resource).length
  }

  askedFor(verb: string, resource?: string): Asked[] {
    return this.asked.filter((each) => each.verb === verb && (resource ?? each.resource) === each.resource)
  }

  /** New or changed. */
  put(...objects: readonly KubernetesObject[]): void {
    for (const object of objects) this.#state.put(object)
  }

  remove(...objects: readonly KubernetesObject[]): void {
    for (const object of objects) this.#state.remove(object)
  }

  /** The next `times` requests that match get the fault. Gives what calls it off. */
  plan(match: Match, fault: Fault, times = 1): () => void {
    return this.#faults.plan(match, fault, times)
  }

  /** Tells every watch how far it has come, as real ones do once a minute. */
  bookmark(resource?: string, version = this.#state.version): void {
    for (const watch of this.#watches.of(resource)) this.#watches.bookmark(watch, version)
  }

  /** Writes these bytes to every watch, whatever they are. */
  say(bytes: string | Buffer, resource?: string): void {
    for (const watch of this.#watches.of(resource)) this.#watches.write(watch, bytes)
  }

  /** Ends every watch in order. */
  end(resource?: string): void {
    for (const { response } of this.#watches.of(resource)) response.end()
  }

  /** Cuts the connection of every watch. */
  cut(resource?: string): void {
    for (const { response } of this.#watches.of(resource)) response.destroy()
  }

  /** Forgets all changes so far: a watch or page of before has expired. */
  compact(): void {
    this.#state.compact()
  }

  /** As by SIGSTOP: connections stay open and are taken, and nothing is said until `wake`. What was asked meanwhile stays unanswered. */
  freeze(): void {
    this.#watches.frozen = true
  }

  wake(): void {
    this.#watches.frozen = false
  }

  /** Cuts every connection; nothing listens any more. */
  async stop(): Promise<void> {
    const server = this.#server
    if (server === undefined) return
    this.#server = undefined
    const closed = once(server, 'close')
    server.close()
    this.#cutAll()
    await closed
  }

  /** On the same port unless told otherwise (0: another one). With `firstVersion` all objects get new versions beyond it. */
  async restart({ port = this.#port, firstVersion }: { port?: number; firstVersion?: number } = {}): Promise<void> {
    await this.stop()
    if (firstVersion !== undefined) this.#state.renumber(firstVersion)
    await this.#listen(port)
  }

  async #listen(port: number): Promise<void> {
    const { certificate, clientCa } = this.#options
    const answer = (request: IncomingMessage, response: ServerResponse): void => this.#answer(request, response)
    const clients = clientCa === undefined ? {} : { ca: clientCa, requestCert: true, rejectUnauthorized: false }
    const server = certificate === undefined ? createServer(answer) : createSecureServer({ ...certificate, ...clients }, answer)
    server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket)
      socket.on('error', () => undefined).once('close', () => this.#sockets.delete(socket))
    })
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    this.#port = typeof address === 'object' && address !== null ? address.port : 0
    this.#server = server
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const asked = readRequest(request, this.#options.prefix ?? '')
    this.asked.push(asked)
    response.on('error', () => undefined)
    if (this.#watches.frozen) return
    const doors = { tokens: this.tokens, basic: this.#options.basic, certificates: this.#options.clientCa !== undefined }
    const stranger = unauthorized(request, doors)
    const beyond = forbidden(asked)
    if (beyond !== undefined) this.refused.push(`${asked.method} ${asked.verb} ${asked.resource}`.trim())
    const refusal = stranger ?? beyond
    if (refusal !== undefined) refuse(response, asked, refusal)
    else this.#admit(response, asked)
  }

  #admit(response: ServerResponse, asked: Asked): void {
    const fault = this.#faults.take(asked.verb, asked.resource, 'continue' in asked.query)
    if (fault?.kind === 'hang') return
    if (fault?.kind === 'status') refuse(response, asked, fault)
    else if (fault?.kind === 'body') send(response, asked, fault.body, undefined)
    else if (asked.verb === 'watch') this.#watches.begin(response, asked, this.#state.objects(asked.resource), this.#state.version)
    else {
      const body = this.#state.list(asked)
      if (typeof body === 'string') send(response, asked, body, fault)
      else refuse(response, asked, body)
    }
  }

  #cutAll(): void {
    for (const socket of this.#sockets) socket.destroy()
  }
}

function refuse(response: ServerResponse, asked: Asked, { status, message = '', reason = '', retryAfter }: Refusal): void {
  const headers = { 'content-type': 'application/json', ...(retryAfter !== undefined && { 'retry-after': retryAfter }) }
  const body = JSON.stringify({ kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message, reason, code: status })
  asked.status = status
  asked.bytes = body.length
  response.writeHead(status, headers).end(body)
}

function send(response: ServerResponse, asked: Asked, text: string | Buffer, fault: Fault | undefined): void {
  const body = Buffer.from(text)
  asked.status = 200
  asked.bytes = fault?.kind === 'cut' ? fault.afterBytes : body.length
  response.writeHead(200, { 'content-type': 'application/json' })
  if (fault?.kind === 'cut') response.write(body.subarray(0, fault.afterBytes), () => response.destroy())
  else if (fault?.kind === 'drip') drip(response, body, fault.bytes, fault.everyMs)
  else response.end(body)
}

function drip(response: ServerResponse, body: Buffer, bytes: number, everyMs: number): void {
  let at = 0
  const timer = setInterval(() => {
    response.write(body.subarray(at, at + bytes))
    at += bytes
    if (at < body.length) return
    clearInterval(timer)
    response.end()
  }, everyMs)
  response.once('close', () => clearInterval(timer))
}
