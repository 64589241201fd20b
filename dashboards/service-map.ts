// Who talks to whom, drawn: each connection once, with workloads at both ends also where the client dialled a Service.
import { dashboard, UID } from './frame.ts'
import { matrix, nodeGraph, series, table, UNIT } from './panels.ts'
import { inWorkload } from './variables.ts'

const FLOWS = 'namespace_workload_peer:orb8_flow_bytes:rate5m'

/** At most so many edges: Grafana lays out some hundreds in reasonable time. */
const MOST_EDGES = 200

/** Either end is among the chosen. */
const chosen = (...more: string[]): string =>
  [
    `${FLOWS}{${inWorkload(...more)}}`,
    `${FLOWS}{${['cluster=~"$cluster"', 'peer_namespace=~"$namespace"', 'peer_workload=~"$workload"', ...more].join(', ')}}`,
  ].join(' or ')

const summed = (selected: string): string => `sum by (namespace, workload, peer_kind, peer_namespace, peer_workload) (${selected})`

/** A workload is `namespace/workload`, outside pods its name alone; a peer that is no pod, its kind, and its name where it has one. */
function named(expr: string, workload: string, peer: string): string {
  const joined = `label_join(label_join(${expr}, "${workload}", "/", "namespace", "workload"), "${peer}", "/", "peer_kind", "peer_namespace", "peer_workload")`
  return [
    [workload, '/(.+)', '$1'],
    [peer, 'pod/(.*)', '$1'],
    [peer, '([a-z]+)//', '$1'],
    [peer, '([a-z]+)//(.+)', '$1: $2'],
  ].reduce((inner, [label, pattern, name]) => `label_replace(${inner}, "${label}", "${name}", "${label}", "${pattern}")`, joined)
}

/**
 * A server sees the client's pod, whatever the client dialled: so connections between pods are drawn as servers see them, those that leave the
 * cluster as clients do.
 */
const served = named(summed(chosen('role="server"', 'peer_kind=~"pod|node|external"')), 'target', 'source')
const dialled = named(summed(chosen('role!="server"', 'peer_kind=~"node|external"')), 'source', 'target')
const edges = `topk(${MOST_EDGES}, sum by (source, target) (${served} or ${dialled}))`

const nodesBy = (end: string): string => `label_replace(sum by (${end}) (${edges}), "id", "$1", "${end}", "(.*)")`
const NAMES = [
  ['subtitle', '([^/]+)/.+'],
  ['title', '(?:[^/]+/)?(.+)'],
] as const
const nodes = NAMES.reduce(
  (inner, [label, pattern]) => `label_replace(${inner}, "${label}", "$1", "id", "${pattern}")`,
  `sum by (id) (${nodesBy('source')} or ${nodesBy('target')})`,
)

const toService = `sum by (namespace, workload, peer_namespace, peer_workload) (${FLOWS}{${inWorkload('role!="server"', 'peer_kind="service"')}})`

export const serviceMap = dashboard({
  uid: UID.serviceMap,
  title: 'Service map',
  description: 'Who talks to whom, in bytes a second of both directions. Needs the recording rules (rules/recording.yaml).',
  variables: ['cluster', 'namespace', 'workload'],
  rows: [
    {
      title: 'Map',
      panels: [
        nodeGraph('Who talks to whom', { nodes, edges: `label_join(${edges}, "id", " > ", "source", "target")` }, UNIT.bytesPerSecond, {
          description: `An arrow goes from client to server; its number is bytes a second, both ways. At most ${MOST_EDGES} arrows, the busiest.`,
        }),
      ],
    },
    {
      title: 'Tables',
      panels: [
        matrix('From row to column', edges, { row: 'source', column: 'target', unit: UNIT.bytesPerSecond, span: 24, height: 12 }),
        table(
          'As servers see it',
          [
            { refId: 'A', expr: summed(chosen('role="server"', 'direction="egress"')) },
            { refId: 'B', expr: summed(chosen('role="server"', 'direction="ingress"')) },
          ],
          {
            labels: ['namespace', 'workload', 'peer_kind', 'peer_namespace', 'peer_workload'],
            columns: [
              { refId: 'A', title: 'answered', unit: UNIT.bytesPerSecond },
              { refId: 'B', title: 'asked', unit: UNIT.bytesPerSecond },
            ],
            link: { title: 'Its pods', uid: UID.pod, fields: { namespace: 'namespace', workload: 'workload' } },
          },
        ),
        table(
          'As clients see it',
          [
            { refId: 'A', expr: summed(chosen('role="client"', 'direction="egress"')) },
            { refId: 'B', expr: summed(chosen('role="client"', 'direction="ingress"')) },
          ],
          {
            labels: ['namespace', 'workload', 'peer_kind', 'peer_namespace', 'peer_workload'],
            columns: [
              { refId: 'A', title: 'asked', unit: UNIT.bytesPerSecond },
              { refId: 'B', title: 'answered', unit: UNIT.bytesPerSecond },
            ],
            link: { title: 'Its pods', uid: UID.pod, fields: { namespace: 'namespace', workload: 'workload' } },
            description: 'A client that dials a Service sees the Service.',
          },
        ),
        series(
          'Services, by client',
          UNIT.bytesPerSecond,
          [{ expr: `topk(15, ${toService})`, legend: '{{namespace}}/{{workload}} to {{peer_namespace}}/{{peer_workload}}' }],
          { span: 24 },
        ),
      ],
    },
  ],
})
