// Snapshots as the store makes them, for the tests of this folder. Knows the words of model.ts and metrics.ts.
import {
  CONNECT_FAILED,
  CONNECT_FAILURES,
  CONTAINER_METRICS,
  FLOW_LABELS,
  FLOW_METRICS,
  LISTEN_OVERFLOWS,
  RECEIVE_DROPS,
  RTT,
  TIME_BUCKETS,
  TIME_LABELS,
} from '../../src/metrics.ts'
import type { Metric, SeriesColumn, SeriesRow, SeriesTable, Snapshot } from '../../src/model.ts'

const bothWays = (metric: Metric): SeriesColumn[] =>
  ['egress', 'ingress'].map((labelValue) => ({ metric, labelName: 'direction', labelValue, tcpOnly: false }))

export const FLOW_COLUMNS: readonly SeriesColumn[] = FLOW_METRICS.flatMap((metric) =>
  metric.labels.includes('direction') ? bothWays(metric) : [{ metric, tcpOnly: true }],
)
const CONTAINER_COLUMNS: readonly SeriesColumn[] = CONTAINER_METRICS.flatMap(bothWays)
const CONTAINER_LABELS = ['namespace', 'pod', 'container', 'workload', 'workload_kind', 'protocol', 'peer_kind']

export interface FlowRow {
  readonly labels: Readonly<Record<string, string>>
  /** By column; the last is repeated. */
  readonly values: readonly number[]
}

let lastId = 0

function table(labelNames: readonly string[], columns: readonly SeriesColumn[], rows: readonly FlowRow[]): SeriesTable {
  return {
    labelNames,
    columns,
    rows: rows.map(({ labels }): SeriesRow => ({ id: ++lastId, labels: labelNames.map((name) => labels[name] ?? ''), startMs: 0 })),
    tcp: Uint8Array.from(rows, ({ labels }) => ((labels.protocol ?? 'tcp') === 'tcp' ? 1 : 0)),
    values: Float64Array.from(rows.flatMap(({ values }) => columns.map((_, column) => values[column] ?? values.at(-1) ?? 0))),
  }
}

export function snapshotOf(
  rows: readonly FlowRow[],
  { timeMs = 1e12, labelNames = FLOW_LABELS as readonly string[], health = [] as readonly SeriesTable[] } = {},
): Snapshot {
  const byContainer = new Map(rows.map((row) => [JSON.stringify(CONTAINER_LABELS.map((name) => row.labels[name])), row]))
  const containers = table(CONTAINER_LABELS, CONTAINER_COLUMNS, [...byContainer.values()])
  return { timeMs, flows: table(labelNames, FLOW_COLUMNS, rows), containers, health }
}

const FAILURE_COLUMNS = CONNECT_FAILURES.map((labelValue) => ({
  metric: CONNECT_FAILED,
  labelName: 'reason',
  labelValue,
  tcpOnly: false,
}))
const RTT_COLUMNS = [
  ...[...TIME_BUCKETS, Number.POSITIVE_INFINITY].map((bound) => ({ metric: RTT, bound, tcpOnly: false })),
  { metric: RTT, tcpOnly: false },
]
const DROP_COLUMNS = [LISTEN_OVERFLOWS, RECEIVE_DROPS].map((metric) => ({ metric, tcpOnly: false }))

/** Round-trip times: by bucket, the sum last. */
export function timesOf(rows: readonly FlowRow[]): SeriesTable {
  return table(TIME_LABELS, RTT_COLUMNS, rows)
}

export function failuresOf(rows: readonly FlowRow[]): SeriesTable {
  return table(FLOW_LABELS, FAILURE_COLUMNS, rows)
}

export function dropsOf(rows: readonly FlowRow[]): SeriesTable {
  return table(RECEIVE_DROPS.labels, DROP_COLUMNS, rows)
}

/** `count` flows of as many peers; every number differs from the others. */
export function manyFlows(count: number, timeMs?: number): Snapshot {
  const rows = Array.from({ length: count }, (_, index) => ({
    labels: { ...EXAMPLE, peer_workload: `peer-${index}` },
    values: FLOW_COLUMNS.map((_, column) => index * 100 + column),
  }))
  return snapshotOf(rows, timeMs === undefined ? {} : { timeMs })
}

export const EXAMPLE = {
  workload: 'checkout',
  workload_kind: 'Deployment',
  namespace: 'shop',
  role: 'client',
  protocol: 'tcp',
  port: '5432',
  peer_kind: 'pod',
  peer_namespace: 'data',
  peer_workload: 'postgres',
  peer_zone: 'eu-1a',
}
