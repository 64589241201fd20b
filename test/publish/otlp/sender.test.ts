import { ExportResultCode } from '@opentelemetry/core'
import { emptyResource } from '@opentelemetry/resources'
import type { ResourceMetrics } from '@opentelemetry/sdk-metrics'
import t from 'tap'
import type { Settled } from '../../../src/publish/otlp/book.ts'
import type { Reply } from '../../../src/publish/otlp/client.ts'
import { labelsOf } from '../../../src/publish/otlp/labels.ts'
import { metricData } from '../../../src/publish/otlp/metric-data.ts'
import { hrTime, numberPoint, pointsOf } from '../../../src/publish/otlp/points.ts'
import { Sender, type SenderOptions } from '../../../src/publish/otlp/sender.ts'

const TAKEN: Reply = { taken: true, rejectedPoints: 0, detail: '' }
const refused = (code: string, more: Partial<Extract<Reply, { taken: false }>> = {}): Reply => ({
  ...{ taken: false, code, detail: '', retryable: false, sent: 'no' },
  ...more,
})
const UNAVAILABLE = refused('UNAVAILABLE', { retryable: true, sent: 'doubtful' })

/** Three points, each a batch of its own. */
function metrics(settled: Settled[][]): ResourceMetrics {
  const points = [0, 1, 2].map((index) => {
    const labels = labelsOf([
      ['long', 'x'.repeat(700_000)],
      ['index', index],
    ])
    settled[index] = []
    return numberPoint({ labels, start: hrTime(0), end: hrTime(1), value: 1, settle: (how) => settled[index]?.push(how) })
  })
  const metric = metricData({ name: 'a_total', type: 'counter', unit: 'By', help: '' }, points, true)
  return { resource: emptyResource(), scopeMetrics: [{ scope: { name: 'orb8' }, metrics: [metric] }] }
}

interface Ran {
  readonly sent: unknown[]
  readonly settled: Settled[][]
  readonly outcome: unknown
  readonly code: ExportResultCode
  readonly sender: Sender
}

async function run(replies: Reply[], options: Partial<SenderOptions> = {}, before?: Sender): Promise<Ran> {
  const sent: unknown[] = []
  const settled: Settled[][] = []
  let outcome: unknown
  const client = {
    async send(batch: ResourceMetrics) {
      sent.push(batch.scopeMetrics[0]?.metrics[0] && pointsOf(batch.scopeMetrics[0].metrics[0])[0]?.attributes.index)
      return replies.shift() ?? TAKEN
    },
    close: async () => undefined,
  }
  const sender =
    before ??
    new Sender({
      client,
      budgetMs: 5000,
      report: (told) => {
        outcome = told
      },
      ...options,
    })
  const code = await new Promise<ExportResultCode>((resolve) => sender.export(metrics(settled), ({ code }) => resolve(code)))
  return { sent, settled, outcome, code, sender }
}

t.test('each batch is told alone that it was taken', async (t) => {
  const { sent, settled, outcome, code } = await run([])
  t.same(sent, [0, 1, 2])
  t.same(settled, [['taken'], ['taken'], ['taken']])
  t.match(outcome, { result: 'taken', code: 'OK' })
  t.equal(code, ExportResultCode.SUCCESS)
})

t.test('a refusal ends the export; what it did not get to is not settled', async (t) => {
  const { sent, settled, outcome, code } = await run([TAKEN, refused('PERMISSION_DENIED')])
  t.same(sent, [0, 1])
  t.same(settled, [['taken'], [], []])
  t.match(outcome, { result: 'refused', code: 'PERMISSION_DENIED' })
  t.equal(code, ExportResultCode.FAILED)
})

t.test('what is wrong with one batch keeps none of the others', async (t) => {
  const { settled, outcome } = await run([refused('INVALID_ARGUMENT', { sent: 'invalid' })])
  t.same(settled, [['invalid'], ['taken'], ['taken']])
  t.match(outcome, { result: 'refused', code: 'INVALID_ARGUMENT' })
})

t.test('what may be tried again is, after a second', async (t) => {
  const beganMs = performance.now()
  const { sent, settled } = await run([UNAVAILABLE], { random: () => 0.5 })
  t.same(sent, [0, 0, 1, 2])
  t.same(settled[0], ['taken'])
  t.ok(performance.now() - beganMs >= 990)
})

t.test('there is an end to it, and an attempt that nobody answered stays in doubt whatever came after', async (t) => {
  const { settled, outcome } = await run([UNAVAILABLE, refused('PERMISSION_DENIED')], { budgetMs: 3000 })
  t.same(settled[0], ['doubtful'])
  t.match(outcome, { code: 'PERMISSION_DENIED' })
  const short = await run([UNAVAILABLE, UNAVAILABLE, UNAVAILABLE], { budgetMs: 800 })
  t.same(short.sent, [0])
  t.match(short.outcome, { result: 'unreachable' })
})

t.test('a collector that asks to be left alone is, beyond the next export too', async (t) => {
  let nowMs = 0
  const replies = [refused('RESOURCE_EXHAUSTED', { retryable: true, retryAfterMs: 60_000 })]
  const sent: number[] = []
  const client = {
    send: async () => {
      sent.push(nowMs)
      return replies.shift() ?? TAKEN
    },
    close: async () => undefined,
  }
  const told: unknown[] = []
  const sender = new Sender({ client, budgetMs: 5000, now: () => nowMs, report: ({ code }) => told.push(code) })
  const once = (): Promise<unknown> => new Promise((resolve) => sender.export(metrics([]), resolve))
  await once()
  nowMs = 30_000
  await once()
  nowMs = 61_000
  await once()
  t.same(sent, [0, 61_000, 61_000, 61_000])
  t.same(told, ['RESOURCE_EXHAUSTED', 'RESOURCE_EXHAUSTED', 'OK'])
})

t.test('after an export that was cut off the next begins at the other end', async (t) => {
  const sent: unknown[] = []
  const replies: Reply[] = [TAKEN, refused('DEADLINE_EXCEEDED')]
  const client = {
    async send(batch: ResourceMetrics) {
      const [metric] = batch.scopeMetrics[0]?.metrics ?? []
      sent.push(metric && pointsOf(metric)[0]?.attributes.index)
      return replies.shift() ?? TAKEN
    },
    close: async () => undefined,
  }
  const sender = new Sender({ client, budgetMs: 5000, report: () => undefined })
  for (let round = 0; round < 2; round++) await new Promise((resolve) => sender.export(metrics([]), resolve))
  t.same(sent, [0, 1, 2, 1, 0])
})

t.test('points that were thrown away are settled, and told', async (t) => {
  const { settled, outcome, code } = await run([{ taken: true, rejectedPoints: 4, detail: 'odd' }])
  t.same(settled[0], ['taken'])
  t.match(outcome, { result: 'partial', rejectedPoints: 4, detail: 'odd' })
  t.equal(code, ExportResultCode.SUCCESS)
})

t.test('a hurry ends the waiting', async (t) => {
  let sender: Sender | undefined
  const client = {
    send: async () => {
      setTimeout(() => sender?.hurry(0), 20)
      return UNAVAILABLE
    },
    close: async () => undefined,
  }
  sender = new Sender({ client, budgetMs: 60_000, report: () => undefined, random: () => 1 })
  const beganMs = performance.now()
  await new Promise((resolve) => sender?.export(metrics([]), resolve))
  t.ok(performance.now() - beganMs < 900)
})
