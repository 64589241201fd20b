// The SDK's exporter as its reader wants it: an export in batches, each tried again while there is time, each told alone that it was
// taken. Knows nothing of gRPC, nor of what the numbers mean.
import { type ExportResult, ExportResultCode } from '@opentelemetry/core'
import type { PushMetricExporter, ResourceMetrics } from '@opentelemetry/sdk-metrics'
import { type Batch, batchesOf } from './batches.ts'
import type { Settled } from './book.ts'
import type { Client, Reply } from './client.ts'
import type { Outcome } from './messages.ts'

const FIRST_WAIT_MS = 1000
const LONGEST_WAIT_MS = 8000
/** Waits are longer or shorter by so much, so that nodes do not come back in step. */
const JITTER = 0.2
/** An attempt needs some time: with less left the export gives up. */
const LEAST_ATTEMPT_MS = 50
/** A server may ask for no more than this: its delay is a number from outside. */
const LONGEST_PAUSE_MS = 10 * 60_000

type Refusal = Extract<Reply, { taken: false }>

export interface SenderOptions {
  readonly client: Pick<Client, 'send' | 'close'>
  /** One export with all its batches and retries. */
  readonly budgetMs: number
  readonly report: (outcome: Omit<Outcome, 'lostRows'>) => void
  readonly now?: () => number
  readonly random?: () => number
}

export class Sender implements PushMetricExporter {
  readonly #client: SenderOptions['client']
  readonly #budgetMs: number
  readonly #report: SenderOptions['report']
  readonly #now: () => number
  readonly #random: () => number
  /** Nothing goes on beyond it: the process ends. */
  #endMs = Number.POSITIVE_INFINITY
  /** A server asked to be left alone until then. */
  #pauseUntilMs = 0
  #wake: () => void = () => undefined
  /** The next export begins with what the last one had no time for. */
  #backwards = false

  constructor({ client, budgetMs, report, now = () => performance.now(), random = Math.random }: SenderOptions) {
    this.#client = client
    this.#budgetMs = budgetMs
    this.#report = report
    this.#now = now
    this.#random = random
  }

  export(metrics: ResourceMetrics, done: (result: ExportResult) => void): void {
    this.#export(metrics).then(
      (outcome) => {
        this.#report(outcome)
        done({ code: outcome.result === 'taken' || outcome.result === 'partial' ? ExportResultCode.SUCCESS : ExportResultCode.FAILED })
      },
      (error: Error) => {
        this.#report({ result: 'refused', code: 'INTERNAL', detail: error.message, rejectedPoints: 0 })
        done({ code: ExportResultCode.FAILED, error })
      },
    )
  }

  /** Everything under way ends within so long. */
  hurry(withinMs: number): void {
    this.#endMs = this.#now() + withinMs
    this.#pauseUntilMs = 0
    this.#wake()
  }

  async forceFlush(): Promise<void> {}

  async shutdown(): Promise<void> {
    await this.#client.close()
  }

  async #export(metrics: ResourceMetrics): Promise<Omit<Outcome, 'lostRows'>> {
    const deadlineMs = this.#now() + this.#budgetMs
    let rejectedPoints = 0
    let detail = ''
    let failed: Refusal | undefined
    for (const batch of this.#inTurn(metrics)) {
      const reply = await this.#deliver(batch, deadlineMs)
      if (reply.taken) {
        settle(batch, 'taken')
        rejectedPoints += reply.rejectedPoints
        detail = reply.detail || detail
        continue
      }
      failed ??= reply
      if (reply.sent !== 'no') settle(batch, reply.sent)
      // What is wrong with this batch need not be wrong with the next; anything else is.
      if (reply.code !== 'INVALID_ARGUMENT') break
    }
    if (failed !== undefined) {
      this.#backwards = !this.#backwards
      return { result: resultOf(failed), code: failed.code, detail: failed.detail, rejectedPoints }
    }
    if (rejectedPoints > 0) return { result: 'partial', code: 'PARTIAL', detail, rejectedPoints }
    return { result: 'taken', code: detail === '' ? 'OK' : 'WARNED', detail, rejectedPoints: 0 }
  }

  #inTurn(metrics: ResourceMetrics): Iterable<Batch> {
    return this.#backwards ? [...batchesOf(metrics)].reverse() : batchesOf(metrics)
  }

  async #deliver(batch: Batch, deadlineMs: number): Promise<Reply> {
    let waitMs = FIRST_WAIT_MS
    let last: Refusal = { taken: false, code: 'DEADLINE_EXCEEDED', detail: 'no time was left for this batch', retryable: false, sent: 'no' }
    /** An attempt whose end nobody knows stays in doubt whatever the next one brings. */
    const refused = (reply: Refusal): Refusal => (last.sent === 'doubtful' && reply.sent === 'no' ? { ...reply, sent: 'doubtful' } : reply)
    for (;;) {
      const leftMs = Math.min(deadlineMs, this.#endMs) - this.#now()
      if (leftMs < LEAST_ATTEMPT_MS) return last
      if (this.#pauseUntilMs > this.#now())
        return { ...last, code: 'RESOURCE_EXHAUSTED', detail: 'the collector asked to be left alone for longer' }
      const reply = await this.#client.send(batch.request, Math.floor(leftMs))
      if (reply.taken) return reply
      last = refused(reply)
      if (!reply.retryable) return last
      const asked = Math.min(reply.retryAfterMs ?? 0, LONGEST_PAUSE_MS)
      const pauseMs = Math.max(asked, waitMs * (1 + JITTER * (2 * this.#random() - 1)))
      waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS)
      if (this.#now() + pauseMs > Math.min(deadlineMs, this.#endMs) - LEAST_ATTEMPT_MS) {
        if (asked > 0) this.#pauseUntilMs = this.#now() + asked
        return last
      }
      await this.#sleep(pauseMs)
    }
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms)
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }
}

function settle({ points }: Batch, how: Settled): void {
  for (const point of points) point.settle?.(how)
}

function resultOf({ code }: Refusal): 'refused' | 'unreachable' | 'late' {
  if (code === 'UNAVAILABLE') return 'unreachable'
  return code === 'DEADLINE_EXCEEDED' ? 'late' : 'refused'
}
