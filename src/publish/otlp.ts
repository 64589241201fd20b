// Pushes what /metrics shows to an OTLP collector, in a thread of its own. Keeps that thread alive and fed; knows nothing of
// OpenTelemetry but the names of its settings.
import { accessSync, constants } from 'node:fs'
import { hostname } from 'node:os'
import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import { ConfigError } from '../errors.ts'
import type { Logger } from '../log.ts'
import type { Snapshot } from '../model.ts'
import { Feed } from './otlp/feed.ts'
import type { FromPush, Start, ToPush } from './otlp/messages.ts'
import { createOutcomes, type Outcomes } from './otlp/outcomes.ts'
import { deltas, endpointOf, type OtlpSettings } from './otlp/settings.ts'
import type { Self } from './self.ts'
import { toFamily } from './text.ts'

/** How long the last export may take: systemd and Kubernetes wait for more, but not for ever. */
const CLOSE_MS = 3000
/** For the thread to end once its time is up. */
const GRACE_MS = 250
/** A thread that ended by a fault is started again so much later. */
const RESTART_MS = 60_000
/** Of the thread: ten times what 60,000 points take. What needs more is a fault, and must not take the exporter with it. */
const MEMORY_LIMITS = { maxOldGenerationSizeMb: 1024, maxYoungGenerationSizeMb: 16 }

const WORKER = new URL(`./otlp/worker${extname(import.meta.filename)}`, import.meta.url)

export interface OtlpOptions {
  readonly settings: OtlpSettings
  readonly version: string
  readonly self: Pick<Self, 'families' | 'otlpExported'>
  readonly log: Logger
  /**
   * When those numbers began that outlive the process, ms since the epoch; left out, they began with the process.
   */
  readonly keptStartMs?: number
  /**
   * What an earlier process had counted, where this one goes on: differences are taken from there. Of cumulative numbers nothing
   * depends on it.
   */
  readonly delivered?: Snapshot | undefined
  readonly hostName?: string
  /** How long after a fault the thread starts again. */
  readonly restartMs?: number
}

export interface Otlp {
  /** To be called with every snapshot, in order. */
  add(snapshot: Snapshot): void
  /** Exports once more what was added last, within some seconds, and ends. */
  close(): Promise<void>
}

/** Throws ConfigError for settings that contradict each other or name no file. */
export function checkOtlp(settings: OtlpSettings): void {
  if (endpointOf(settings) !== undefined) checkFiles(settings)
}

/** Undefined where the settings ask for no push. Throws as `checkOtlp`. */
export function createOtlp(options: OtlpOptions): Otlp | undefined {
  const endpoint = endpointOf(options.settings)
  if (endpoint === undefined) return undefined
  checkFiles(options.settings)
  const { log, self } = options
  const push = new Push(options, createOutcomes(log, endpoint.address, self.otlpExported))
  log.info({ address: endpoint.address, intervalMs: options.settings.exportIntervalMs }, 'OTLP: pushing')
  return push
}

function checkFiles({ otlpCertificate, otlpClientCertificate, otlpClientKey }: OtlpSettings): void {
  const files = { CERTIFICATE: otlpCertificate, CLIENT_CERTIFICATE: otlpClientCertificate, CLIENT_KEY: otlpClientKey }
  for (const [name, path] of Object.entries(files)) {
    try {
      if (path !== '') accessSync(path, constants.R_OK)
    } catch (error) {
      throw new ConfigError(`OTEL_EXPORTER_OTLP_${name}`, (error as Error).message, 'the path of a PEM file that this user may read')
    }
  }
  if ((otlpClientCertificate === '') === (otlpClientKey === '')) return
  const [set, missing] = otlpClientKey === '' ? ['CLIENT_CERTIFICATE', 'CLIENT_KEY'] : ['CLIENT_KEY', 'CLIENT_CERTIFICATE']
  throw new ConfigError(`OTEL_EXPORTER_OTLP_${set}`, `OTEL_EXPORTER_OTLP_${missing} is not set`, 'both or none')
}

class Push implements Otlp {
  readonly #options: OtlpOptions
  readonly #outcomes: Outcomes
  #start: Start
  #feed: Feed
  #worker: Worker | undefined
  #restart: NodeJS.Timeout | undefined
  #closing: (() => void) | undefined

  constructor(options: OtlpOptions, outcomes: Outcomes) {
    this.#options = options
    this.#outcomes = outcomes
    const { settings, version, hostName = hostname(), delivered } = options
    const startMs = Math.round(performance.timeOrigin)
    const { keptStartMs = startMs } = options
    this.#start = { settings, version, hostName, startMs, keptStartMs, delivered: delivered === undefined ? 'none' : 'kept' }
    this.#feed = this.#newFeed(delivered)
    this.#run()
  }

  add(snapshot: Snapshot): void {
    this.#feed.add(snapshot)
  }

  async close(): Promise<void> {
    clearTimeout(this.#restart)
    const worker = this.#worker
    this.#worker = undefined
    if (worker === undefined) return
    if (this.#feed.latest !== undefined) await this.#lastExport(worker)
    await worker.terminate()
  }

  #lastExport(worker: Worker): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, CLOSE_MS + GRACE_MS)
      this.#closing = () => {
        clearTimeout(timer)
        resolve()
      }
      post(worker, { type: 'close', withinMs: CLOSE_MS })
    })
  }

  #newFeed(delivered: Snapshot | undefined): Feed {
    const { sums, histograms } = deltas(this.#start.settings)
    const feed = new Feed(sums || histograms)
    if (delivered !== undefined) feed.add(delivered)
    return feed
  }

  #run(): void {
    // Nothing of the environment: the settings are all there is, also for the libraries.
    const worker = new Worker(WORKER, { workerData: this.#start, env: {}, execArgv: [], resourceLimits: MEMORY_LIMITS, name: 'otlp' })
    this.#worker = worker
    const delivered = this.#feed.latest
    if (delivered !== undefined) {
      for (const page of this.#feed.pages()) post(worker, page)
      post(worker, { type: 'delivered', timeMs: delivered.timeMs })
    }
    worker.on('message', (message: FromPush) => this.#hear(worker, message))
    worker.on('error', (error) => this.#failed(worker, error))
  }

  #hear(worker: Worker, message: FromPush): void {
    switch (message.type) {
      case 'collect':
        this.#answer(worker, message.request).catch((error) => this.#options.log.error({ err: error }, 'OTLP: nothing to push'))
        break
      case 'outcome':
        this.#outcomes.tell({ ...message.outcome, lostRows: message.outcome.lostRows + this.#feed.takeLost() })
        break
      case 'closed':
        this.#closing?.()
        break
      default:
        message satisfies never
    }
  }

  /** A page a turn of the event loop: scrapes come in between. */
  async #answer(worker: Worker, request: number): Promise<void> {
    const { latest } = this.#feed
    for (const page of this.#feed.pages()) {
      post(worker, page)
      await new Promise((resolve) => setImmediate(resolve))
    }
    const families = [...(latest?.families ?? []).map(toFamily), ...(await this.#options.self.families())]
    post(worker, { type: 'collected', request, families, ...(latest === undefined ? {} : { timeMs: latest.timeMs }) })
  }

  /** Without its memory of what was taken, the next one takes differences from now on. */
  #failed(worker: Worker, error: unknown): void {
    this.#options.log.error({ err: error }, 'OTLP: the thread ended by a fault; it starts again')
    this.#options.self.otlpExported('failure')
    this.#closing?.()
    if (this.#worker !== worker) return
    this.#worker = undefined
    this.#feed = this.#newFeed(this.#feed.latest)
    this.#start = { ...this.#start, delivered: 'all' }
    this.#restart = setTimeout(() => this.#run(), this.#options.restartMs ?? RESTART_MS)
  }
}

function post(worker: Worker, message: ToPush): void {
  worker.postMessage(message)
}
