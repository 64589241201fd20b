// A push to a collector of the test's own, fed with snapshots whose numbers change, for the tests of this folder.
import type { Test } from 'tap'
import { createLogger } from '../../../src/log.ts'
import type { SeriesTable, Snapshot } from '../../../src/model.ts'
import type { OtlpSettings } from '../../../src/publish/otlp/settings.ts'
import { createOtlp, type Otlp, type OtlpOptions } from '../../../src/publish/otlp.ts'
import type { Family } from '../../../src/publish/text.ts'
import { Collector, type CollectorOptions } from '../../harness/otlp/collector.ts'
import { Undo } from '../../harness/undo.ts'

export const SETTINGS: OtlpSettings = {
  otlpEndpoint: undefined,
  otlpHeaders: [],
  otlpInsecure: false,
  otlpCertificate: '',
  otlpClientCertificate: '',
  otlpClientKey: '',
  otlpCompression: 'none',
  otlpTimeoutMs: 10_000,
  otlpTemporality: 'cumulative',
  exportIntervalMs: 400,
  exportTimeoutMs: 30_000,
  resourceAttributes: [],
  serviceName: '',
  metricsExporter: 'otlp',
  otelDisabled: false,
  nodeName: 'node-a',
}

export interface Line {
  readonly level: string
  readonly msg: string
  readonly code?: string
  readonly detail?: string
}

export interface Pushing {
  readonly otlp: Otlp
  readonly log: Line[]
  readonly results: ('success' | 'failure')[]
}

/** Ended with the test. */
export function undoOf(t: Test): Undo {
  const undo = new Undo()
  t.teardown(() => undo.all())
  return undo
}

export function collectorOf(t: Test, options: CollectorOptions = {}): Promise<Collector> {
  return Collector.start(undoOf(t), options)
}

export function plain(port: number): Pick<OtlpSettings, 'otlpEndpoint'> {
  return { otlpEndpoint: { address: `127.0.0.1:${port}`, tls: false } }
}

interface PushOptions extends Partial<Omit<OtlpOptions, 'settings' | 'self' | 'log'>> {
  readonly settings: Partial<OtlpSettings>
  readonly families?: readonly Family[]
}

export function push(t: Test, { settings, families = [], ...options }: PushOptions): Pushing {
  const log: Line[] = []
  const results: Pushing['results'] = []
  const otlp = createOtlp({
    version: '1.2.3',
    hostName: 'host-a',
    settings: { ...SETTINGS, ...settings },
    self: { families: async () => [...families], otlpExported: (result) => results.push(result) },
    log: createLogger('info', { write: (line: string) => log.push(JSON.parse(line)) }),
    ...options,
  })
  if (otlp === undefined) throw new Error('nothing is pushed')
  t.teardown(() => otlp.close())
  return { otlp, log, results }
}

/** The same rows so much later, their numbers raised. */
export function later({ timeMs, flows, containers, health }: Snapshot, afterMs: number, raise: number): Snapshot {
  const raised = (table: SeriesTable): SeriesTable => ({ ...table, values: table.values.map((value) => value + raise) })
  return { timeMs: timeMs + afterMs, flows: raised(flows), containers: raised(containers), health: health.map(raised) }
}

/** All rows began so early. */
export function startedAt({ timeMs, flows, containers, health }: Snapshot, startMs: number): Snapshot {
  const started = (table: SeriesTable): SeriesTable => ({ ...table, rows: table.rows.map((row) => ({ ...row, startMs })) })
  return { timeMs, flows: started(flows), containers: started(containers), health: health.map(started) }
}

export function withoutRow(snapshot: Snapshot, index: number): Snapshot {
  const width = snapshot.flows.columns.length
  const { flows } = snapshot
  return {
    ...snapshot,
    flows: {
      ...flows,
      rows: flows.rows.filter((_, row) => row !== index),
      tcp: flows.tcp.filter((_, row) => row !== index),
      values: flows.values.filter((_, at) => Math.floor(at / width) !== index),
    },
  }
}
