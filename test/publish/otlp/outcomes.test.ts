import t from 'tap'
import { createLogger } from '../../../src/log.ts'
import type { Outcome } from '../../../src/publish/otlp/messages.ts'
import { createOutcomes } from '../../../src/publish/otlp/outcomes.ts'

const outcome = (result: Outcome['result'], code: string, more: Partial<Outcome> = {}): Outcome => ({
  ...{ result, code, detail: '', rejectedPoints: 0, lostRows: 0 },
  ...more,
})

t.test('every export is counted, every change is told once, with what to do about it', async (t) => {
  const lines: { level: string; msg: string; remedy?: string }[] = []
  const counted: string[] = []
  const log = createLogger('info', { write: (line: string) => lines.push(JSON.parse(line)) })
  const outcomes = createOutcomes(log, 'collector:4317', (result) => counted.push(result))
  const told = [
    outcome('unreachable', 'UNAVAILABLE'),
    outcome('unreachable', 'UNAVAILABLE', { detail: 'in other words' }),
    outcome('late', 'DEADLINE_EXCEEDED'),
    outcome('refused', 'UNAUTHENTICATED'),
    outcome('refused', 'PERMISSION_DENIED'),
    outcome('partial', 'PARTIAL', { rejectedPoints: 3 }),
    outcome('partial', 'PARTIAL', { rejectedPoints: 4 }),
    outcome('taken', 'OK'),
    outcome('taken', 'OK', { lostRows: 2 }),
  ]
  for (const one of told) outcomes.tell(one)
  t.same(counted.join(), [...Array(7).fill('failure'), 'success', 'success'].join())
  t.same(
    lines.map(({ level, msg }) => `${level}: ${msg}`),
    [
      'warn: OTLP: the collector cannot be reached',
      'warn: OTLP: the collector does not answer in time',
      'warn: OTLP: the collector refuses the metrics',
      'warn: OTLP: the collector refuses the metrics',
      'warn: OTLP: the collector throws away a part',
      'info: OTLP: the collector takes the metrics again',
      'warn: OTLP: rows left before the collector took their last differences',
    ],
  )
  t.match(lines[0]?.remedy, /OTEL_EXPORTER_OTLP_ENDPOINT/)
})
