// The whole cluster, or fleet of hosts: who talks, to where, and how well. Reads recorded series wherever every flow would be summed.
import { dashboard, UID } from './frame.ts'
import { matrix, series, stat, table, UNIT } from './panels.ts'
import { inNamespace, WINDOW } from './variables.ts'

const EDGES = 'namespace_workload_peer:orb8_flow_bytes:rate5m'
const NAMESPACES = 'namespace:orb8_container_network_bytes:rate5m'
const ZONES = 'namespace_workload_zone:orb8_flow_bytes:rate5m'
const BUCKETS = 'namespace_peer_kind:orb8_tcp_rtt_seconds_bucket:rate5m'
const SEGMENTS = 'namespace_workload:orb8_tcp_sent_segments:rate5m'
const RESENT = 'namespace_workload:orb8_tcp_retransmitted_segments:ratio_rate5m'
const FAILURES = 'namespace_workload_peer:orb8_tcp_connect_failures:rate5m'

/** What crosses zones: pairs of zones that are not the pair of a zone with itself. */
const crossing = (by: string): string => `sum by (${by}) (
  ${ZONES}{${inNamespace('zone!=""')}}
  unless on (cluster, zone, peer_zone)
  label_replace(group by (cluster, zone) (${ZONES}{cluster=~"$cluster"}), "peer_zone", "$1", "zone", "(.+)")
)`

/** Where a label is empty, what that means. */
const orWord = (expr: string, label: string, word: string): string => `label_replace(${expr}, "${label}", "${word}", "${label}", "")`

const quantile = (q: number): string => `histogram_quantile(${q}, sum by (le) (${BUCKETS}{${inNamespace()}}))`

export const cluster = dashboard({
  uid: UID.cluster,
  title: 'Cluster',
  description:
    'Who sends most, to whom and to where. Needs the recording rules (rules/recording.yaml); zones need the target label `zone`.',
  variables: ['cluster', 'namespace'],
  rows: [
    {
      title: 'Now',
      panels: [
        stat('Sent', UNIT.bytesPerSecond, { expr: `sum(${NAMESPACES}{${inNamespace('direction="egress"')}})` }),
        stat('Sent outside', UNIT.bytesPerSecond, {
          expr: `sum(${NAMESPACES}{${inNamespace('direction="egress"', 'peer_kind="external"')}})`,
        }),
        stat('Between zones', UNIT.bytesPerSecond, { expr: crossing('') }),
        stat('Open connections', UNIT.count, { expr: `sum(orb8_active_flows{${inNamespace()}})` }),
        stat('Failing connects', UNIT.perSecond, { expr: `sum(${FAILURES}{${inNamespace()}})` }),
        stat(
          'Sent again',
          UNIT.ratio,
          {
            expr: `sum(${RESENT}{${inNamespace()}} * ${SEGMENTS}{${inNamespace()}}) / sum(${SEGMENTS}{${inNamespace()}})`,
          },
          { limits: [0.01, 0.03], decimals: 2, description: 'Retransmitted TCP segments, of all that were sent.' },
        ),
      ],
    },
    {
      title: 'Who',
      panels: [
        series(
          'Sent, by namespace',
          UNIT.bytesPerSecond,
          [
            {
              expr: orWord(
                `topk(15, sum by (namespace) (${NAMESPACES}{${inNamespace('direction="egress"')}}))`,
                'namespace',
                'outside pods',
              ),
              legend: '{{namespace}}',
            },
          ],
          { stacked: true },
        ),
        series(
          'Received, by namespace',
          UNIT.bytesPerSecond,
          [
            {
              expr: orWord(
                `topk(15, sum by (namespace) (${NAMESPACES}{${inNamespace('direction="ingress"')}}))`,
                'namespace',
                'outside pods',
              ),
              legend: '{{namespace}}',
            },
          ],
          { stacked: true },
        ),
        table(
          'Who sends most, and to whom',
          [
            {
              expr: `topk(30, sum by (namespace, workload, peer_kind, peer_namespace, peer_workload) (
  ${EDGES}{${inNamespace('direction="egress"')}}
))`,
            },
          ],
          {
            span: 14,
            height: 10,
            labels: ['namespace', 'workload', 'peer_kind', 'peer_namespace', 'peer_workload'],
            columns: [{ refId: 'A', title: 'sent', unit: UNIT.bytesPerSecond }],
            link: { title: 'Its pods', uid: UID.pod, fields: { namespace: 'namespace', workload: 'workload' } },
          },
        ),
        series(
          'Workloads that send most',
          UNIT.bytesPerSecond,
          [
            {
              expr: `topk(10, sum by (namespace, workload) (${EDGES}{${inNamespace('direction="egress"')}}))`,
              legend: '{{namespace}}/{{workload}}',
            },
          ],
          { span: 10, height: 10 },
        ),
      ],
    },
    {
      title: 'Where',
      panels: [
        series(
          'Sent, by kind of peer',
          UNIT.bytesPerSecond,
          [{ expr: `sum by (peer_kind) (${NAMESPACES}{${inNamespace('direction="egress"')}})`, legend: '{{peer_kind}}' }],
          { span: 8, stacked: true },
        ),
        series(
          'External networks, sent',
          UNIT.bytesPerSecond,
          [
            {
              expr: orWord(
                `sum by (peer_workload) (${EDGES}{${inNamespace('direction="egress"', 'peer_kind="external"')}})`,
                'peer_workload',
                'elsewhere',
              ),
              legend: '{{peer_workload}}',
            },
          ],
          { span: 8, description: 'By the names of ORB8_CIDRS; elsewhere: in none of them.' },
        ),
        series(
          'External networks, received',
          UNIT.bytesPerSecond,
          [
            {
              expr: orWord(
                `sum by (peer_workload) (${EDGES}{${inNamespace('direction="ingress"', 'peer_kind="external"')}})`,
                'peer_workload',
                'elsewhere',
              ),
              legend: '{{peer_workload}}',
            },
          ],
          { span: 8 },
        ),
        series('Between zones, by pair', UNIT.bytesPerSecond, [{ expr: crossing('zone, peer_zone'), legend: '{{zone}} - {{peer_zone}}' }], {
          span: 8,
          description: 'Both directions, as seen by the end that served.',
        }),
        matrix('Zone to zone', `sum by (zone, peer_zone) (${ZONES}{${inNamespace()}})`, {
          row: 'zone',
          column: 'peer_zone',
          unit: UNIT.bytesPerSecond,
          span: 8,
          height: 8,
        }),
        table('Who crosses zones', [{ expr: `topk(20, ${crossing('namespace, workload, zone, peer_zone')})` }], {
          span: 8,
          height: 8,
          labels: ['namespace', 'workload', 'zone', 'peer_zone'],
          columns: [{ refId: 'A', title: 'both ways', unit: UNIT.bytesPerSecond }],
          link: { title: 'Its pods', uid: UID.pod, fields: { namespace: 'namespace', workload: 'workload' } },
        }),
      ],
    },
    {
      title: 'How well',
      panels: [
        series(
          'Sent again, by workload',
          UNIT.ratio,
          [
            {
              expr: `topk(10, ${RESENT}{${inNamespace()}})`,
              legend: '{{namespace}}/{{workload}}',
            },
          ],
          { span: 8, description: 'Retransmitted TCP segments, of all that were sent.' },
        ),
        series(
          'Failing connects',
          UNIT.perSecond,
          [
            {
              expr: `topk(10, sum by (namespace, workload, peer_kind, peer_workload) (${FAILURES}{${inNamespace()}}))`,
              legend: '{{namespace}}/{{workload}} to {{peer_kind}} {{peer_workload}}',
            },
          ],
          { span: 8 },
        ),
        series(
          'Round-trip time',
          UNIT.seconds,
          [0.5, 0.9, 0.99].map((q) => ({ expr: quantile(q), legend: `p${q * 100}` })),
          { span: 8, description: 'Buckets are a factor of four apart: read these as orders of magnitude.' },
        ),
        series(
          'Connections turned away',
          UNIT.perSecond,
          [
            {
              expr: `sum by (namespace, workload) (rate(orb8_tcp_listen_overflows_total{${inNamespace()}}[${WINDOW}])) > 0`,
              legend: '{{namespace}}/{{workload}}',
            },
          ],
          { description: 'Listeners whose accept queue was full.' },
        ),
        series(
          'Datagrams dropped',
          UNIT.packetsPerSecond,
          [
            {
              expr: `sum by (namespace, workload) (rate(orb8_udp_receive_drops_total{${inNamespace()}}[${WINDOW}])) > 0`,
              legend: '{{namespace}}/{{workload}}',
            },
          ],
          { description: 'UDP sockets whose receive buffer was full.' },
        ),
      ],
    },
  ],
})
