// Asks the API server over HTTP/1.1 and hands out its bytes. Knows connections, credentials and refusals; nothing of what is asked.
import type { Dispatcher } from 'undici'
import type { Access, Cluster } from './access.ts'
import { ask, openDispatcher } from './dispatch.ts'
import { explained, refusalOf, refused } from './failure.ts'
import { Watchdog } from './watchdog.ts'

/** What a refusal says beyond it is not read. */
const MAX_REFUSAL_BYTES = 64 * 1024

/** What is asked of the API server. */
export interface Traffic {
  asked(): void
  received(bytes: number): void
}

export interface Question {
  /** What is done, for an error: `list pods`. */
  readonly deed: string
  readonly path: string
  readonly query: URLSearchParams
  /** Silence for longer fails the request, before the answer and within it. */
  readonly silenceMs: number
  readonly signal: AbortSignal
}

export interface ApiClientOptions {
  readonly userAgent: string
  readonly traffic?: Traffic
}

export class ApiClient {
  readonly #cluster: Cluster
  readonly #userAgent: string
  readonly #traffic: Traffic | undefined
  readonly #dispatchers = new Set<Promise<Dispatcher>>()
  #current: { readonly key: string; readonly dispatcher: Promise<Dispatcher> } | undefined
  #closed = false

  constructor(cluster: Cluster, { userAgent, traffic }: ApiClientOptions) {
    this.#cluster = cluster
    this.#userAgent = userAgent
    this.#traffic = traffic
  }

  get inCluster(): boolean {
    return this.#cluster.inCluster
  }

  /** Resolves with a body whose status was 200; throws Orb8Error for anything else, then and while it is read. */
  async get(question: Question): Promise<AsyncGenerator<Buffer, void, undefined>> {
    const { path, query, silenceMs, signal } = question
    let deed = question.deed
    const watchdog = new Watchdog(silenceMs, signal)
    try {
      const access = await watchdog.guard(this.#cluster.access())
      const { origin, pathname } = new URL(access.server)
      deed += ` at ${origin}`
      this.#traffic?.asked()
      const reply = await ask(await this.#dispatcher(access), {
        method: 'GET',
        origin,
        path: `${pathname.replace(/\/$/, '')}${path}?${query}`,
        headers: { accept: 'application/json', 'user-agent': this.#userAgent, ...access.headers },
        signal: watchdog.signal,
      })
      if (reply.statusCode !== 200) throw await this.#refusal(deed, reply)
      return this.#bytes(deed, reply.body, watchdog)
    } catch (error) {
      watchdog[Symbol.dispose]()
      throw explained(deed, watchdog.signal.aborted ? watchdog.signal.reason : error)
    }
  }

  /** Cuts every connection. Whoever is reading gets an error. */
  async close(): Promise<void> {
    this.#closed = true
    await Promise.allSettled([...this.#dispatchers].map(async (dispatcher) => (await dispatcher).destroy()))
    this.#dispatchers.clear()
  }

  async *#bytes(deed: string, body: Dispatcher.ResponseData['body'], watchdog: Watchdog): AsyncGenerator<Buffer, void, undefined> {
    try {
      for await (const chunk of body as AsyncIterable<Buffer>) {
        watchdog.heard()
        this.#traffic?.received(chunk.length)
        yield chunk
      }
    } catch (error) {
      throw explained(deed, watchdog.signal.aborted ? watchdog.signal.reason : error)
    } finally {
      watchdog[Symbol.dispose]()
    }
  }

  async #refusal(deed: string, { statusCode, headers, body }: Dispatcher.ResponseData): Promise<Error> {
    if (statusCode === 401) this.#cluster.renew()
    const parts: Buffer[] = []
    let size = 0
    for await (const chunk of body as AsyncIterable<Buffer>) {
      this.#traffic?.received(chunk.length)
      parts.push(chunk)
      size += chunk.length
      if (size > MAX_REFUSAL_BYTES) break
    }
    const retryAfter = headers['retry-after']
    const patience = typeof retryAfter === 'string' ? retryAfter : retryAfter?.[0]
    return refused(deed, refusalOf(statusCode, patience, Buffer.concat(parts).toString()))
  }

  /** One as long as certificates and proxy stay; the ones before end when their last request has. */
  #dispatcher({ tls, proxy }: Access): Promise<Dispatcher> {
    if (this.#closed) throw new Error('closed')
    const key = JSON.stringify([tls, proxy])
    if (this.#current?.key === key) return this.#current.dispatcher
    const past = this.#current?.dispatcher
    if (past !== undefined) void this.#end(past)
    const dispatcher = openDispatcher(tls, proxy)
    this.#dispatchers.add(dispatcher)
    this.#current = { key, dispatcher }
    dispatcher.catch(() => this.#forget(dispatcher))
    return dispatcher
  }

  #forget(dispatcher: Promise<Dispatcher>): void {
    this.#dispatchers.delete(dispatcher)
    if (this.#current?.dispatcher === dispatcher) this.#current = undefined
  }

  async #end(dispatcher: Promise<Dispatcher>): Promise<void> {
    await dispatcher.then((one) => one.close()).catch(() => undefined)
    this.#forget(dispatcher)
  }
}
