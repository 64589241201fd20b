// Keeps a sink in step with one resource of the API server, for ever: lists, watches, and begins again after whatever happens.
// Knows when to do which; nothing of HTTP or of the objects.
import { Backoff } from './backoff.ts'
import type { ApiClient } from './client.ts'
import { ApiFailure, explained, type Refusal, Silence } from './failure.ts'
import { Intake, type ObjectSink, type SkipReason } from './intake.ts'
import { list } from './list.ts'
import { type Log, Outage } from './outage.ts'
import { TIMING, type Timing } from './timing.ts'
import { NotResumable, watch } from './watch.ts'

/** Nodes of a new cluster, or of a rollout, do not list all at once. */
const START_JITTER_MS = 2000
const AS_CACHED = '0'
const AS_STORED = ''
const BAD_REQUEST = 400
const GONE = 410
/** A watch from a version that the server has not come to is silent, bookmarks and all, and so is the next. */
const SILENCES_TO_LIST = 2
/** How a server says that it has not come as far as the version asked for. */
const NOT_THERE_YET = /too large resource version/i

export interface WatchOptions<T> {
  /** What its metrics and log lines call it. */
  readonly resource: string
  /** `/api/v1/pods` and the like. */
  readonly path: string
  readonly fieldSelector?: string | undefined
  /** Keeps what is needed of an object; undefined where it lacks that. */
  readonly strip: (raw: unknown) => T | undefined
  readonly sink: ObjectSink<T>
  readonly told?: WatchTold | undefined
  readonly log: Log
}

/** What there is to know of a watch from outside. */
export interface WatchTold {
  connected(resource: string, is: boolean): void
  /** A watch was begun that is not the first. */
  reconnected(resource: string): void
  /** The sink is in step with the server. ms since the epoch. */
  synced(resource: string, atMs: number): void
  skipped(resource: string, reason: SkipReason): void
}

/** Lists and watches until it is disposed of. Never rejects. */
export class Reflector<T> {
  /** The first full list is in the sink. */
  readonly synced: Promise<void>
  readonly #client: ApiClient
  readonly #options: WatchOptions<T>
  readonly #timing: Timing
  readonly #intake: Intake<T>
  readonly #backoff: Backoff
  readonly #end = new AbortController()
  readonly #first = Promise.withResolvers<void>()
  readonly #over: Promise<void>
  readonly #skipsLogged = new Set<SkipReason>()
  readonly #outage: Outage
  /** Undefined: a list is due. */
  #version: string | undefined
  /** How new that list has to be. */
  #atLeast = AS_CACHED
  #watches = 0
  #watching = false
  /** Watches in a row that said nothing. */
  #silences = 0

  constructor(client: ApiClient, options: WatchOptions<T>, timing = TIMING) {
    this.#client = client
    this.#options = options
    this.#timing = timing
    this.#backoff = new Backoff(timing.random)
    this.#outage = new Outage(options.resource, options.log)
    this.#intake = new Intake(options.sink, options.strip, (reason) => this.#skip(reason))
    this.synced = this.#first.promise
    options.told?.connected(options.resource, false)
    this.#over = this.#run()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end.abort()
    await this.#over
  }

  async #run(): Promise<void> {
    let waitMs = this.#client.inCluster ? this.#timing.random() * START_JITTER_MS : 0
    while (!this.#end.signal.aborted) {
      try {
        if (waitMs > 0) await this.#timing.sleep(waitMs, this.#end.signal)
        this.#version ??= await this.#list()
        waitMs = await this.#watch(this.#version)
      } catch (error) {
        if (this.#end.signal.aborted) break
        waitMs = this.#failed(error)
      }
    }
    this.#options.told?.connected(this.#options.resource, false)
  }

  async #list(): Promise<string> {
    const { resource, path, fieldSelector } = this.#options
    const version = await list(
      this.#client,
      {
        deed: `list ${resource}`,
        path,
        fieldSelector,
        atLeast: this.#atLeast,
        silenceMs: this.#timing.listSilenceMs,
        signal: this.#end.signal,
      },
      this.#intake,
    )
    this.#outage.answered()
    this.#first.resolve()
    this.#options.told?.synced(resource, this.#timing.now())
    return version
  }

  /** Gives how long to wait before the next one. */
  async #watch(version: string): Promise<number> {
    const { resource, path, fieldSelector } = this.#options
    const { random, elapsed, watchSilenceMs, shortWatchMs } = this.#timing
    const began = elapsed()
    const question = {
      deed: `watch ${resource}`,
      path,
      fieldSelector,
      version,
      random,
      silenceMs: watchSilenceMs,
      signal: this.#end.signal,
    }
    await watch(this.#client, question, this.#intake, { begun: () => this.#begun(), reached: (reached) => this.#reached(reached) })
    this.#watching = false
    if (elapsed() - began < shortWatchMs) {
      this.#options.told?.connected(resource, false)
      return this.#backoff.nextMs()
    }
    this.#backoff.reset()
    this.#outage.over()
    return 0
  }

  #begun(): void {
    const { resource, told } = this.#options
    this.#watching = true
    this.#outage.answered()
    told?.connected(resource, true)
    if (this.#watches++ > 0) told?.reconnected(resource)
  }

  #reached(version: string): void {
    this.#version = version
    this.#silences = 0
    this.#backoff.reset()
    this.#outage.over()
    this.#options.told?.synced(this.#options.resource, this.#timing.now())
  }

  /** Gives how long to wait before the next attempt. */
  #failed(error: unknown): number {
    const { resource, told } = this.#options
    const failure = explained(`follow ${resource}`, error)
    const refusal = failure instanceof ApiFailure ? failure.refusal : undefined
    told?.connected(resource, false)
    this.#outage.failed(failure.message, this.#watching || refusal?.status === GONE)
    this.#chooseNext(failure, refusal)
    this.#watching = false
    return this.#backoff.nextMs(refusal?.retryAfterMs)
  }

  /** Goes on from where it is unless the server no longer knows that place. */
  #chooseNext(failure: Error, refusal: Refusal | undefined): void {
    const unknown = refusal?.status === BAD_REQUEST || NOT_THERE_YET.test(refusal?.message ?? '')
    if (this.#version === undefined) {
      if (this.#atLeast !== AS_CACHED && (unknown || refusal?.status === GONE)) this.#atLeast = AS_STORED
      return
    }
    if (this.#watching && failure.cause instanceof Silence) this.#silences++
    const turnedBack = failure instanceof NotResumable && failure.turnedBack
    const lost = unknown || refusal?.status === GONE || failure instanceof NotResumable || this.#silences >= SILENCES_TO_LIST
    if (!lost) return
    this.#silences = 0
    this.#atLeast = unknown || turnedBack ? AS_STORED : this.#version
    this.#version = undefined
  }

  #skip(reason: SkipReason): void {
    const { resource, told, log } = this.#options
    told?.skipped(resource, reason)
    if (this.#skipsLogged.has(reason)) return
    this.#skipsLogged.add(reason)
    log.warn(`${resource}: something the API server sent is passed over: ${reason} (told once; the metrics count on)`)
  }
}
