// Collects GPUs from dcgm-exporter over HTTP. Knows when to ask, how long and how much to take; nothing of what the lines mean.
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import { Agent, type Dispatcher, request } from 'undici'
import { Orb8Error } from '../errors.ts'
import type { GpuSample } from '../model.ts'
import { DcgmDevices } from './dcgm-devices.ts'
import { Lines } from './lines.ts'

export interface DcgmCollectorOptions {
  /** http or https; without a path, /metrics. A user and password in it are sent as basic authentication. */
  readonly url: string
  /** PEM of the authorities to trust in place of the usual ones. */
  readonly ca?: string | undefined
  /** What was read is good for so long. */
  readonly staleMs: number
  /** How long one collection waits; the scrape goes on. */
  readonly waitMs?: number
  /** How long a scrape may take. */
  readonly limitMs?: number
  /** What was read so long ago is not asked for again. */
  readonly freshMs?: number
  readonly userAgent?: string
  /** ms since the epoch: the clock of times in the text. */
  readonly now?: () => number
}

/** Why a scrape failed: a label, so one of few words. */
export type DcgmFailure = 'connect' | 'tls' | 'timeout' | 'status' | 'size' | 'content' | 'stale'

export class DcgmError extends Orb8Error {
  override readonly name = 'DcgmError'
  readonly failure: DcgmFailure

  constructor(url: string, failure: DcgmFailure, reason: string, remedy: string, cause?: unknown) {
    super(`scrape dcgm-exporter at ${url}`, reason, remedy, { cause })
    this.failure = failure
  }
}

/** dcgm-exporter asks kubelet before it answers: some hundred ms on a busy node. */
const WAIT_MS = 1000
/** It gives kubelet ten seconds. */
const LIMIT_MS = 10_000
/** A hundred times what eight GPUs with all counters take. */
const MOST_BYTES = 16 * 2 ** 20
/** Several scrapers at once ask once. */
const FRESH_MS = 1000

interface Read {
  readonly samples: readonly GpuSample[]
  readonly atMs: number
}

export class DcgmCollector {
  readonly #options: DcgmCollectorOptions
  readonly #target: URL
  readonly #shown: string
  readonly #agent: Agent
  readonly #closing = new AbortController()
  #scraping: Promise<void> | undefined
  /** Somebody has waited for it as long as one waits. */
  #late = false
  #last: Read | DcgmError | undefined

  constructor(options: DcgmCollectorOptions) {
    this.#options = options
    this.#target = new URL(options.url)
    if (this.#target.pathname === '/') this.#target.pathname = '/metrics'
    this.#shown = this.#target.origin + this.#target.pathname
    const limit = options.limitMs ?? LIMIT_MS
    const tls = options.ca === undefined ? {} : { ca: options.ca }
    this.#agent = new Agent({
      connections: 1,
      // A connection for each scrape: one that was kept could be of a dcgm-exporter that is no more.
      pipelining: 0,
      allowH2: false,
      headersTimeout: limit,
      bodyTimeout: limit,
      connect: { ...tls, timeout: limit },
    })
  }

  /** Each device once. Rejects with DcgmError where the last scrape failed, or nothing that it read is good any more. */
  async collect(): Promise<readonly GpuSample[]> {
    if (this.#scraping !== undefined || !this.#isFresh()) {
      this.#scraping ??= this.#scrape().finally(() => {
        this.#scraping = undefined
        this.#late = false
      })
      // Nobody waits again for what was waited for in vain.
      if (!this.#late) this.#late = !(await endsWithin(this.#options.waitMs ?? WAIT_MS, this.#scraping))
    }
    const last = this.#last
    if (last instanceof DcgmError) throw last
    if (last !== undefined && performance.now() - last.atMs <= this.#options.staleMs) return last.samples
    throw this.#error('timeout', 'no answer yet', '')
  }

  async close(): Promise<void> {
    this.#closing.abort()
    await this.#scraping
    await this.#agent.destroy()
  }

  #isFresh(): boolean {
    return (
      this.#last !== undefined &&
      !(this.#last instanceof DcgmError) &&
      performance.now() - this.#last.atMs < (this.#options.freshMs ?? FRESH_MS)
    )
  }

  async #scrape(): Promise<void> {
    const atMs = performance.now()
    const limit = AbortSignal.timeout(this.#options.limitMs ?? LIMIT_MS)
    try {
      this.#last = { samples: await this.#read(AbortSignal.any([limit, this.#closing.signal])), atMs }
    } catch (error) {
      this.#last = limit.aborted
        ? this.#error('timeout', `no whole answer within ${this.#options.limitMs ?? LIMIT_MS} ms`, '')
        : this.#explained(error)
    }
  }

  async #read(signal: AbortSignal): Promise<readonly GpuSample[]> {
    const { username, password } = this.#target
    const secret = Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`).toString('base64')
    const { statusCode, headers, body } = await request(this.#shown + this.#target.search, {
      dispatcher: this.#agent,
      signal,
      headers: {
        accept: 'text/plain;version=0.0.4, */*;q=0.1',
        'accept-encoding': 'gzip',
        ...(this.#options.userAgent !== undefined && { 'user-agent': this.#options.userAgent }),
        ...(username + password !== '' && { authorization: `Basic ${secret}` }),
      },
    })
    if (statusCode !== 200) {
      body.on('error', () => undefined).destroy()
      throw this.#error('status', `it answers ${statusCode}`, statusCode === 404 ? 'does the address end in /metrics?' : '')
    }
    const { now = Date.now, staleMs } = this.#options
    const devices = new DcgmDevices(now() - staleMs)
    await this.#readLines(body, headers['content-encoding'], new Lines((line) => devices.add(line)))
    if (!devices.isDcgm) throw this.#error('content', 'no metric of DCGM is in the answer', 'is it dcgm-exporter, with counters to tell?')
    const samples = devices.samples()
    if (samples.length === 0 && devices.stale > 0)
      throw this.#error('stale', `all that it tells is older than ${staleMs / 1000} s`, 'does it, or what stands before it, still collect?')
    return samples
  }

  /** Piece by piece, so that a long text never holds the event loop. */
  async #readLines(body: Dispatcher.ResponseData['body'], encoding: string | string[] | undefined, lines: Lines): Promise<void> {
    let bytes = 0
    const take = async (pieces: AsyncIterable<Buffer>): Promise<void> => {
      for await (const piece of pieces) {
        bytes += piece.length
        if (bytes > MOST_BYTES) throw this.#error('size', `the answer is longer than ${MOST_BYTES} bytes`, 'is it dcgm-exporter?')
        lines.add(piece)
      }
      lines.end()
    }
    const isGzip = /^(?:x-)?gzip$/i.test(String(encoding ?? ''))
    await (isGzip ? pipeline(body, createGunzip(), take) : pipeline(body, take))
  }

  #explained(error: unknown): DcgmError {
    if (error instanceof DcgmError) return error
    const { code = '', message } = error as { readonly code?: string; readonly message: string }
    if (/^(?:ERR_TLS|CERT_|DEPTH_|SELF_SIGNED|UNABLE_TO|ERR_SSL)/.test(code))
      return this.#error('tls', message || code, 'ORB8_DCGM_CA_FILE names the authority to trust', error)
    if (/^(?:Z_|ERR_STREAM|HPE_)/.test(code) || /^UND_ERR_(?:SOCKET|RES|HTTP)/.test(code))
      return this.#error('content', message || code, '', error)
    if (/TIMEOUT$/.test(code)) return this.#error('timeout', message || code, '', error)
    return this.#error('connect', message || code, 'does dcgm-exporter listen there?', error)
  }

  #error(failure: DcgmFailure, reason: string, remedy: string, cause?: unknown): DcgmError {
    return new DcgmError(this.#shown, failure, reason, remedy, cause)
  }
}

async function endsWithin(limitMs: number, what: Promise<void>): Promise<boolean> {
  const limit = Promise.withResolvers<boolean>()
  const timer = setTimeout(() => limit.resolve(false), limitMs)
  try {
    return await Promise.race([what.then(() => true), limit.promise])
  } finally {
    clearTimeout(timer)
  }
}
