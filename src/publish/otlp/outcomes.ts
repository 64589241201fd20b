// What came of exports: counted every time, said in the log where it changes. Knows words and levels; nothing of how exports are made.
import type { Logger } from '../../log.ts'
import type { Outcome } from './messages.ts'

const REMEDIES: Readonly<Record<string, string>> = {
  UNAVAILABLE: 'is it running, and is OTEL_EXPORTER_OTLP_ENDPOINT its gRPC port, with http for plain text and https for TLS?',
  DEADLINE_EXCEEDED: 'it is slow or far away: OTEL_EXPORTER_OTLP_TIMEOUT and OTEL_METRIC_EXPORT_TIMEOUT give it longer',
  RESOURCE_EXHAUSTED: 'it has no room now, or takes only smaller messages',
  UNAUTHENTICATED: 'it wants credentials: OTEL_EXPORTER_OTLP_HEADERS',
  PERMISSION_DENIED: 'it knows the credentials of OTEL_EXPORTER_OTLP_HEADERS and does not allow this',
  UNIMPLEMENTED: 'what listens there does not take OTLP metrics',
  CERTIFICATE: 'OTEL_EXPORTER_OTLP_CERTIFICATE, _CLIENT_CERTIFICATE and _CLIENT_KEY are files in PEM form that this user may read',
  PARTIAL: 'the points that it threw away are lost',
}

export interface Outcomes {
  tell(outcome: Outcome): void
}

/** `count`: once an export. */
export function createOutcomes(log: Logger, address: string, count: (result: 'success' | 'failure') => void): Outcomes {
  let state = ''
  const changed = (code: string): boolean => {
    const before = state
    state = code
    return before !== code
  }
  return {
    tell({ result, code, detail, rejectedPoints, lostRows }) {
      count(result === 'taken' ? 'success' : 'failure')
      if (lostRows > 0) log.warn({ address, rows: lostRows }, 'OTLP: rows left before the collector took their last differences')
      const first = state === ''
      if (!changed(code)) return
      switch (result) {
        case 'taken':
          if (code === 'WARNED') log.warn({ address, detail }, 'OTLP: the collector takes the metrics and warns')
          else log.info({ address }, first ? 'OTLP: the collector takes the metrics' : 'OTLP: the collector takes the metrics again')
          return
        case 'partial':
          log.warn({ address, detail, points: rejectedPoints, remedy: REMEDIES.PARTIAL }, 'OTLP: the collector throws away a part')
          return
        case 'refused':
        case 'unreachable':
        case 'late':
          log.warn({ address, code, detail, remedy: REMEDIES[code] }, FAILED[result])
          return
        default:
          result satisfies never
      }
    },
  }
}

const FAILED = {
  refused: 'OTLP: the collector refuses the metrics',
  unreachable: 'OTLP: the collector cannot be reached',
  late: 'OTLP: the collector does not answer in time',
} as const
