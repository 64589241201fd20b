// Answers /metrics: waits for a collection, negotiates, streams the shared bytes. Knows scrapers and their patience; nothing of
// how a collection is made.
import type { IncomingMessage, ServerResponse } from 'node:http'
import { setImmediate } from 'node:timers/promises'
import { TLSSocket } from 'node:tls'
import type { Snapshot } from '../model.ts'
import { type After, Late, realAfter, Waits } from './deadline.ts'
import { gzip } from './gzip.ts'
import { chooseFormat, wantsGzip } from './negotiate.ts'
import { PagePool } from './page-pool.ts'
import { type Reader, Renderings, type Source } from './renderings.ts'
import { sendText } from './reply.ts'
import { encode, type Family, type Format, PAGE_BYTES } from './text.ts'
import { Turns } from './turns.ts'

export interface ScrapesOptions {
  /** A snapshot of a collection that began after this call; equal promises for all who share it. */
  readonly scrape: () => Promise<Snapshot>
  /** The exporter's own metrics. */
  readonly self: { families(): Promise<readonly Family[]> }
  /** Gets what made an answer fail that is neither the scraper's fault nor a collection's. */
  readonly report?: (error: unknown) => void
  /** A timer. */
  readonly after?: After
}

/** Prometheus' own default. */
const TIMEOUT_MS = 10_000

/** Nobody waits longer than this, whatever the header says. */
const LONGEST_TIMEOUT_MS = 120_000

/** A scraper gives up on time: an answer has to be there before, by a tenth, half a second at most. */
const MARGIN = { part: 0.1, ms: 500 }

/** A download in which nothing has moved for so long is dead or hostile: every piece is small and one is under way at a time. */
const STALL_MS = 15_000

/** Bytes of a page that are encrypted at a time: each download has a copy of its own of these, for as long as its reader takes. */
const ENCRYPTED_BYTES = 32 * 1024

/** Handed to sockets in one turn of the event loop: it takes in one new connection a turn, which else waits for a page to each download. */
const TURN_BYTES = PAGE_BYTES

/** Scrapes that wait or download at once; more than connections allow only with pipelining. */
const MAX_SCRAPES = 1024

export class Scrapes {
  readonly #options: ScrapesOptions
  readonly #after: After
  readonly #waits: Waits
  readonly #pool = new PagePool()
  readonly #turns = new Turns(TURN_BYTES)
  readonly #renderings = new Renderings({ recycle: (page) => this.#pool.give(page) })
  #running = 0

  constructor(options: ScrapesOptions) {
    this.#options = options
    this.#after = options.after ?? realAfter
    this.#waits = new Waits(this.#after)
  }

  /** Never rejects. */
  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (this.#running >= MAX_SCRAPES) return sendText(request, response, 503, 'too many scrapes at once')
    const gone = new AbortController()
    response.once('close', () => gone.abort())
    this.#running++
    try {
      await this.#answer(request, response, gone.signal)
    } catch (error) {
      this.#options.report?.(error)
      if (response.headersSent) response.destroy()
      else sendText(request, response, 500, 'cannot write the metrics: see the log')
    } finally {
      this.#running--
    }
  }

  async #answer(request: IncomingMessage, response: ServerResponse, gone: AbortSignal): Promise<void> {
    const { format, contentType } = chooseFormat(request.headers.accept)
    const zipped = wantsGzip(textOf(request.headers['accept-encoding']))
    const headers = { 'Content-Type': contentType, Vary: 'Accept, Accept-Encoding', ...(zipped && { 'Content-Encoding': 'gzip' }) }
    if (request.method === 'HEAD') {
      response.writeHead(200, headers).end()
      return
    }
    const timeoutMs = patience(textOf(request.headers['x-prometheus-scrape-timeout-seconds']))
    let snapshot: Snapshot
    try {
      snapshot = await this.#waits.wait(this.#options.scrape(), timeoutMs, gone)
    } catch (error) {
      // The collection's errors are logged and counted where it is made.
      const why = error instanceof Late ? `the collection did not end within ${timeoutMs / 1000} s` : 'the collection failed: see the log'
      if (!gone.aborted) sendText(request, response, 503, why)
      return
    }
    if (gone.aborted) return
    const source = (): Source => this.#source(snapshot, format, zipped)
    const reader = this.#renderings.open(snapshot, `${format} ${zipped}`, source, () => response.destroy())
    try {
      await this.#stream(reader, response, headers, gone)
    } finally {
      reader.leave()
    }
  }

  async #stream(reader: Reader, response: ServerResponse, headers: Record<string, string>, gone: AbortSignal): Promise<void> {
    let page = await reader.next()
    // Only now: what fails before the first page still gets an answer that says so.
    response.writeHead(200, headers)
    for (; page !== undefined; page = await reader.next()) {
      for (const piece of piecesOf(page, response)) if (!(await this.#write(response, piece, gone))) return
    }
    response.end()
  }

  /** Resolves when the kernel has the bytes: true, or the scraper is gone or has stalled and is cut off: false. */
  async #write(response: ServerResponse, page: Buffer, gone: AbortSignal): Promise<boolean> {
    await this.#turns.take(page.length)
    if (gone.aborted) return false
    return new Promise((resolve) => {
      const finish = (sent: boolean): void => {
        cancel()
        gone.removeEventListener('abort', lost)
        resolve(sent)
      }
      const lost = (): void => finish(false)
      const cancel = this.#after(STALL_MS, () => response.destroy())
      gone.addEventListener('abort', lost)
      response.write(page, (error) => finish(error === undefined || error === null))
    })
  }

  #source(snapshot: Snapshot, format: Format, zipped: boolean): Source {
    const { flows, containers, health } = snapshot
    const heldBytes = [flows, containers, ...health].reduce((bytes, { values }) => bytes + values.byteLength, 0)
    return { pages: this.#pages(snapshot, format, zipped), heldBytes }
  }

  async *#pages(snapshot: Snapshot, format: Format, zipped: boolean): AsyncGenerator<Buffer> {
    const families = await this.#options.self.families()
    const pages = encode(snapshot, families, format, (bytes) => this.#pool.take(bytes))
    if (zipped) {
      yield* gzip(pages, (page) => this.#pool.give(page))
      return
    }
    for (const page of pages) {
      yield page
      // A socket may swallow page after page at once: others get their turn between.
      await setImmediate()
    }
  }
}

function* piecesOf(page: Buffer, { req }: ServerResponse): Generator<Buffer> {
  const bytes = req.socket instanceof TLSSocket ? ENCRYPTED_BYTES : page.length
  for (let at = 0; at < page.length; at += bytes) yield page.subarray(at, at + bytes)
}

function textOf(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header.join(',') : header
}

/** How long a scraper that will wait for `seconds` is let wait, ms. */
function patience(seconds: string | undefined): number {
  const asked = Number(seconds)
  if (!(asked > 0)) return TIMEOUT_MS
  const askedMs = Math.min(asked * 1000, LONGEST_TIMEOUT_MS)
  return askedMs - Math.min(askedMs * MARGIN.part, MARGIN.ms)
}
