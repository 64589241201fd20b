// One workload or pod: what goes in and out, by peer, and how its connections fare. Reads no recorded series.
import { dashboard, UID } from './frame.ts'
import { heatmap, series, UNIT } from './panels.ts'
import { inFlow, inPod, inWorkload, WINDOW } from './variables.ts'

const PEER = 'peer_kind, peer_namespace, peer_workload'
const PEER_LEGEND = '{{peer_kind}} {{peer_namespace}}/{{peer_workload}}'
const WORKLOAD_LEVEL = 'Of the whole workload, unless ORB8_FLOW_LABELS keeps the pod.'
const DIRECTIONS = [
  ['egress', 'sent'],
  ['ingress', 'received'],
] as const

const rate = (metric: string, matchers: string): string => `rate(${metric}{${matchers}}[${WINDOW}])`

/** A histogram has no pod: times are of the workload. */
const quantiles = (metric: string): { expr: string; legend: string }[] =>
  [0.5, 0.9, 0.99].map((q) => ({
    expr: `histogram_quantile(${q}, sum by (le) (${rate(`${metric}_bucket`, inWorkload())}))`,
    legend: `p${q * 100}`,
  }))

export const pod = dashboard({
  uid: UID.pod,
  title: 'Pod',
  description: 'What a workload or a pod sends and receives, by peer, and how its connections fare.',
  variables: ['cluster', 'namespace', 'workload', 'pod'],
  rows: [
    {
      title: 'Traffic',
      panels: [
        series(
          'Bytes',
          UNIT.bytesPerSecond,
          DIRECTIONS.map(([direction, word]) => ({
            expr: `sum by (pod) (${rate('orb8_container_network_bytes_total', inPod(`direction="${direction}"`))})`,
            legend: `{{pod}} ${word}`,
          })),
        ),
        series(
          'Packets',
          UNIT.packetsPerSecond,
          DIRECTIONS.map(([direction, word]) => ({
            expr: `sum by (pod) (${rate('orb8_container_network_packets_total', inPod(`direction="${direction}"`))})`,
            legend: `{{pod}} ${word}`,
          })),
        ),
        ...DIRECTIONS.map(([direction, word]) =>
          series(
            `Bytes ${word}, by peer`,
            UNIT.bytesPerSecond,
            [
              {
                expr: `topk(15, sum by (${PEER}, port) (${rate('orb8_flow_bytes_total', inFlow(`direction="${direction}"`))}))`,
                legend: `${PEER_LEGEND}:{{port}}`,
              },
            ],
            { stacked: true, height: 9, description: WORKLOAD_LEVEL },
          ),
        ),
        series(
          'Bytes, by container',
          UNIT.bytesPerSecond,
          [
            {
              expr: `sum by (pod, container, direction) (${rate('orb8_container_network_bytes_total', inPod())})`,
              legend: '{{pod}}/{{container}} {{direction}}',
            },
          ],
          { span: 8 },
        ),
        series(
          'Bytes, by protocol',
          UNIT.bytesPerSecond,
          [
            {
              expr: `sum by (protocol, direction) (${rate('orb8_container_network_bytes_total', inPod())})`,
              legend: '{{protocol}} {{direction}}',
            },
          ],
          { span: 8 },
        ),
        series(
          'Bytes, by zone of the peer',
          UNIT.bytesPerSecond,
          [
            {
              expr: `sum by (peer_zone, direction) (${rate('orb8_flow_bytes_total', inFlow('peer_zone!=""'))})`,
              legend: '{{peer_zone}} {{direction}}',
            },
          ],
          { span: 8, description: WORKLOAD_LEVEL },
        ),
      ],
    },
    {
      title: 'Connections',
      panels: [
        series(
          'Open',
          UNIT.count,
          [{ expr: `sum by (role, ${PEER}) (orb8_active_flows{${inFlow()}})`, legend: `as {{role}}, ${PEER_LEGEND}` }],
          { description: WORKLOAD_LEVEL },
        ),
        series(
          'Opened and closed',
          UNIT.perSecond,
          ['opened', 'closed'].map((word) => ({
            expr: `sum by (role) (${rate(`orb8_tcp_connections_${word}_total`, inFlow())})`,
            legend: `${word} as {{role}}`,
          })),
          { description: WORKLOAD_LEVEL },
        ),
        series(
          'Failing connects',
          UNIT.perSecond,
          [
            {
              expr: `sum by (reason, ${PEER}) (${rate('orb8_tcp_connect_failures_total', inFlow())}) > 0`,
              legend: `{{reason}}, ${PEER_LEGEND}`,
            },
          ],
          { description: `${WORKLOAD_LEVEL} aborted: given up by the workload itself.` },
        ),
        series(
          'Sent again, by peer',
          UNIT.ratio,
          [
            {
              expr: `topk(15, sum by (${PEER}) (${rate('orb8_tcp_retransmitted_segments_total', inFlow())})
/ sum by (${PEER}) (${rate('orb8_flow_packets_total', inFlow('protocol="tcp"', 'direction="egress"'))}))`,
              legend: PEER_LEGEND,
            },
          ],
          { description: `Retransmitted TCP segments, of all that were sent. ${WORKLOAD_LEVEL}` },
        ),
      ],
    },
    {
      title: 'Times and drops',
      panels: [
        series('Round-trip time', UNIT.seconds, quantiles('orb8_tcp_rtt_seconds'), {
          span: 8,
          description: 'Of the workload. Buckets are a factor of four apart.',
        }),
        series(
          'Mean round-trip time, by kind of peer',
          UNIT.seconds,
          [
            {
              expr: `sum by (role, peer_kind) (${rate('orb8_tcp_rtt_seconds_sum', inWorkload())})
/ sum by (role, peer_kind) (${rate('orb8_tcp_rtt_seconds_count', inWorkload())})`,
              legend: 'as {{role}}, {{peer_kind}}',
            },
          ],
          { span: 8 },
        ),
        heatmap('Round-trip times', UNIT.seconds, `sum by (le) (${rate('orb8_tcp_rtt_seconds_bucket', inWorkload())})`, { span: 8 }),
        series('Time to connect', UNIT.seconds, quantiles('orb8_tcp_connect_seconds'), {
          span: 8,
          description: 'Of the workload as client: from the first SYN to established.',
        }),
        series(
          'Connections turned away',
          UNIT.perSecond,
          [{ expr: `sum by (pod) (${rate('orb8_tcp_listen_overflows_total', inPod())})`, legend: '{{pod}}' }],
          { span: 8, description: 'The accept queue was full.' },
        ),
        series(
          'Datagrams dropped',
          UNIT.packetsPerSecond,
          [{ expr: `sum by (pod) (${rate('orb8_udp_receive_drops_total', inPod())})`, legend: '{{pod}}' }],
          { span: 8, description: 'The receive buffer was full.' },
        ),
      ],
    },
  ],
})
