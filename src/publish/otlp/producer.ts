// The latest snapshot as the SDK's MetricProducer: asks the exporter's thread for what is new, and gives it as metrics.

import { emptyResource } from '@opentelemetry/resources'
import type { CollectionResult, MetricCollectOptions, MetricData, MetricProducer } from '@opentelemetry/sdk-metrics'
import { Families } from './families.ts'
import type { FromPush, Start, ToPush } from './messages.ts'
import { metricData } from './metric-data.ts'
import { Mirror } from './mirror.ts'
import { deltas } from './settings.ts'
import { shapeOf } from './shape.ts'

type Collected = Extract<ToPush, { type: 'collected' }>

const SCOPE = 'orb8'
/** The exporter's thread answers in milliseconds; where it does not, something else is the matter. */
const PATIENCE_MS = 10_000

export class Producer implements MetricProducer {
  readonly #start: Start
  readonly #ask: (message: FromPush) => void
  readonly #mirrors: Mirror[] = []
  readonly #families: Families
  #request = 0
  #waiting: { readonly request: number; readonly resolve: (collected: Collected) => void } | undefined
  /** Of the last snapshot of which everything was taken. */
  #takenMs = -1
  #offeredMs = -1
  #lostRows = 0

  constructor(start: Start, ask: (message: FromPush) => void) {
    this.#start = start
    this.#ask = ask
    this.#families = new Families(deltas(start.settings), start)
  }

  /** What the exporter's thread says. */
  take(message: Exclude<ToPush, { type: 'close' }>): void {
    switch (message.type) {
      case 'table':
        this.#mirrors[message.table] = new Mirror(shapeOf(message), deltas(this.#start.settings))
        break
      case 'rows':
        this.#mirror(message.table).addRows(message.rows)
        break
      case 'values':
        this.#mirror(message.table).setValues(message.values, message.ids)
        break
      case 'left':
        this.#lostRows += this.#mirror(message.table).addLeft(message.rows, message.values)
        break
      case 'delivered':
        for (const mirror of this.#mirrors) mirror.takeAll(message.timeMs)
        break
      case 'collected':
        if (this.#waiting?.request === message.request) this.#waiting.resolve(message)
        break
      default:
        message satisfies never
    }
  }

  async collect(options?: MetricCollectOptions): Promise<CollectionResult> {
    const { timeMs, families } = await this.#collected(Math.min(options?.timeoutMillis ?? PATIENCE_MS, PATIENCE_MS))
    const metrics: MetricData[] = []
    // A snapshot that was taken says nothing new: its collector stands still.
    if (timeMs !== undefined && timeMs !== this.#takenMs) metrics.push(...this.#tables(timeMs))
    this.#offeredMs = timeMs ?? -1
    for (const { family, delta, points } of this.#families.points(families, Date.now()))
      if (points.length > 0) metrics.push(metricData(family, points, delta))
    const scope = { name: SCOPE, version: this.#start.version }
    return { resourceMetrics: { resource: emptyResource(), scopeMetrics: [{ scope, metrics }] }, errors: [] }
  }

  /** All that the last `collect` gave was taken. */
  taken(): void {
    this.#takenMs = this.#mirrors.some(({ behind }) => behind) ? -1 : this.#offeredMs
  }

  /** Rows whose last differences are lost, since the last time this was asked. */
  takeLost(): number {
    const lost = this.#lostRows
    this.#lostRows = 0
    return lost
  }

  /** Columns of one metric together. */
  #tables(timeMs: number): MetricData[] {
    return this.#mirrors.flatMap((mirror) => {
      const byName = new Map<string, Parameters<typeof metricData>>()
      for (const { cell, points } of mirror.points(timeMs)) {
        const [, before = []] = byName.get(cell.metric.name) ?? []
        byName.set(cell.metric.name, [cell.metric, before.length === 0 ? points : [...before, ...points], mirror.isDelta(cell)])
      }
      return [...byName.values()].filter(([, points]) => points.length > 0).map((given) => metricData(...given))
    })
  }

  #mirror(table: number): Mirror {
    const mirror = this.#mirrors[table]
    if (mirror === undefined) throw new Error(`rows of table ${table}, which was never told`)
    return mirror
  }

  #collected(patienceMs: number): Promise<Collected> {
    const request = ++this.#request
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('the exporter did not answer in time')), patienceMs)
      this.#waiting = {
        request,
        resolve: (collected) => {
          clearTimeout(timer)
          resolve(collected)
        },
      }
      this.#ask({ type: 'collect', request })
    })
  }
}
