// The push's thread: whatever OpenTelemetry costs in time and memory is spent here. Wires its parts, owns start and stop.
import { parentPort, workerData } from 'node:worker_threads'
import { MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics'
import { Client } from './client.ts'
import type { FromPush, Outcome, Start, ToPush } from './messages.ts'
import { Producer } from './producer.ts'
import { resourceOf } from './resource.ts'
import { Sender } from './sender.ts'
import { budgetMs, deltas } from './settings.ts'

const port = parentPort
if (port === null) throw new Error('this file is a thread of the exporter')
const tell = (message: FromPush): void => port.postMessage(message)

// gRPC gives TLS an address for a name where the endpoint has one: Node's line about that is nothing that a log's reader could mend.
process.noDeprecation = true

const start = workerData as Start
const { exportIntervalMs } = start.settings
const producer = new Producer(start, tell)
const report = (outcome: Omit<Outcome, 'lostRows'>): void =>
  tell({ type: 'outcome', outcome: { ...outcome, lostRows: producer.takeLost() } })
const sender = new Sender({
  client: new Client(start.settings, start.version),
  budgetMs: budgetMs(start.settings),
  report(outcome) {
    if (outcome.result === 'taken' || outcome.result === 'partial') producer.taken()
    report(outcome)
  },
})
const reader = new PeriodicExportingMetricReader({
  exporter: sender,
  exportIntervalMillis: exportIntervalMs,
  // The sender ends before.
  exportTimeoutMillis: exportIntervalMs,
  metricProducers: [
    {
      async collect(options) {
        try {
          return await producer.collect(options)
        } catch (error) {
          report({ result: 'refused', code: 'INTERNAL', detail: error instanceof Error ? error.message : String(error), rejectedPoints: 0 })
          throw error
        }
      },
    },
  ],
})
const provider = new MeterProvider({ resource: resourceOf(start), readers: [reader] })

port.on('message', (message: ToPush) => {
  if (message.type !== 'close') return producer.take(message)
  sender.hurry(message.withinMs)
  close().then(
    () => tell({ type: 'closed' }),
    () => tell({ type: 'closed' }),
  )
})

/** Where something is in doubt, only what comes after its answer has the rest. */
async function close(): Promise<void> {
  const { sums, histograms } = deltas(start.settings)
  if (sums || histograms) await provider.forceFlush()
  await provider.shutdown()
}
