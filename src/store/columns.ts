// Which numbers of a slot are samples of which metric. Knows nothing of rows and their labels.
import {
  ACTIVE_FLOWS,
  CONNECTIONS_CLOSED,
  CONNECTIONS_OPENED,
  CONTAINER_BYTES,
  CONTAINER_PACKETS,
  FLOW_BYTES,
  FLOW_PACKETS,
  RETRANSMITTED,
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
