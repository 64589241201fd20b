// Which numbers of a slot are samples of which metric; of tallies each is a column. Knows nothing of rows and their labels.
import {
  ACTIVE_FLOWS,
  CONNECT_FAILED,
  CONNECT_FAILURES,
  CONNECTIONS_CLOSED,
  CONNECTIONS_OPENED,
  CONTAINER_BYTES,
  CONTAINER_PACKETS,
  FLOW_BYTES,
  FLOW_PACKETS,
  LISTEN_OVERFLOWS,
  RECEIVE_DROPS,
  RETRANSMITTED,
  TIME_BUCKETS,
} from '../metrics.ts'
import type { Metric, SeriesColumn } from '../model.ts'
import { MEASURES, type Measure } from './numbers.ts'

export interface Column {
  readonly series: SeriesColumn
  /** Summed. */
  readonly measures: readonly [Measure] | readonly [Measure, Measure]
}

function byDirection(metric: Metric, egress: Measure, ingress: Measure): Column[] {
  const column = (labelValue: string, measure: Measure): Column => ({
    series: { metric, labelName: 'direction', labelValue, tcpOnly: false },
    measures: [measure],
  })
  return [column('egress', egress), column('ingress', ingress)]
}

function bothDirections(metric: Metric, egress: Measure, ingress: Measure): Column[] {
  return [{ series: { metric, tcpOnly: false }, measures: [egress, ingress] }]
}

function ofTcp(metric: Metric, measure: Measure): Column {
  return { series: { metric, tcpOnly: true }, measures: [measure] }
}

/** Of flow rows; `direction` says whether the label is written or both ways are summed. */
export function flowColumns(direction: boolean): readonly Column[] {
  const split = direction ? byDirection : bothDirections
  return [
    ...split(FLOW_BYTES, MEASURES.sentBytes, MEASURES.receivedBytes),
    ...split(FLOW_PACKETS, MEASURES.sentPackets, MEASURES.receivedPackets),
    ofTcp(ACTIVE_FLOWS, MEASURES.active),
    ofTcp(CONNECTIONS_OPENED, MEASURES.opened),
    ofTcp(CONNECTIONS_CLOSED, MEASURES.closed),
    ofTcp(RETRANSMITTED, MEASURES.retransmitted),
  ]
}

/** Of container rows. */
export const CONTAINER_COLUMNS: readonly Column[] = [
  ...byDirection(CONTAINER_BYTES, MEASURES.sentBytes, MEASURES.receivedBytes),
  ...byDirection(CONTAINER_PACKETS, MEASURES.sentPackets, MEASURES.receivedPackets),
]

/** Of failure rows, in the order of HealthCounts.failed. */
export const FAILURE_COLUMNS: readonly SeriesColumn[] = CONNECT_FAILURES.map((labelValue) => ({
  metric: CONNECT_FAILED,
  labelName: 'reason',
  labelValue,
  tcpOnly: false,
}))

/** Of a histogram's rows: the buckets of TimeCounts, then the sum. */
export function timeColumns(metric: Metric): readonly SeriesColumn[] {
  const buckets = [...TIME_BUCKETS, Number.POSITIVE_INFINITY].map((bound) => ({ metric, bound, tcpOnly: false }))
  return [...buckets, { metric, tcpOnly: false }]
}

/** Of rows of what a container's sockets had no room for. */
export const DROP_COLUMNS: readonly SeriesColumn[] = [LISTEN_OVERFLOWS, RECEIVE_DROPS].map((metric) => ({ metric, tcpOnly: false }))
