// A scrape as the tests ask for it: what one workload's sockets did, a row for each role, protocol, port and kind of peer.
import { matching, type Scrape, sum } from './exposition.ts'

export interface Row {
  sent: number
  received: number
  /** Not of TCP: how bytes are cut into segments is the kernel's affair. */
  sentPackets?: number
  receivedPackets?: number
  opened?: number
  closed?: number
  open?: number
}

/** Keys such as `client tcp 5001 loopback`; `client tcp 5001 external corp` where the peer has a name. */
export function flowsOf(scrape: Scrape, { workload }: { workload: string }): Record<string, Row> {
  const rows: Record<string, Row> = {}
  const take = (name: string, put: (row: Row, value: number, labels: Readonly<Record<string, string>>) => void): void => {
    for (const { labels, value } of matching(scrape, name, { workload })) {
      const key = [labels.role, labels.protocol, labels.port, labels.peer_kind, labels.peer_workload].join(' ').trimEnd()
      rows[key] ??= { sent: 0, received: 0 }
      put(rows[key], value, labels)
    }
  }
  take('orb8_flow_bytes_total', (row, value, { direction }) => {
    row[direction === 'egress' ? 'sent' : 'received'] += value
  })
  take('orb8_flow_packets_total', (row, value, { direction, protocol }) => {
    const name = direction === 'egress' ? 'sentPackets' : 'receivedPackets'
    if (protocol !== 'tcp') row[name] = (row[name] ?? 0) + value
  })
  for (const [name, field] of [
    ['orb8_tcp_connections_opened_total', 'opened'],
    ['orb8_tcp_connections_closed_total', 'closed'],
    ['orb8_active_flows', 'open'],
  ] as const) {
    take(name, (row, value) => {
      row[field] = (row[field] ?? 0) + value
    })
  }
  return rows
}

/** Bytes of a workload in the container totals, by direction and protocol: `egress tcp`. */
export function totalsOf(scrape: Scrape, { workload }: { workload: string }): Record<string, number> {
  const totals: Record<string, number> = {}
  for (const { labels, value } of matching(scrape, 'orb8_container_network_bytes_total', { workload })) {
    const key = `${labels.direction} ${labels.protocol}`
    totals[key] = (totals[key] ?? 0) + value
  }
  return totals
}

/** Connections that were open when the exporter came, or whose sockets it had no room for. */
export function untracked(scrape: Scrape): number {
  return sum(scrape, 'orb8_sockets_untracked_total')
}

export function bytesOf(scrape: Scrape, { workload }: { workload: string }, direction: 'egress' | 'ingress', protocol = 'tcp'): number {
  return sum(scrape, 'orb8_flow_bytes_total', { workload, direction, protocol })
}

export type Whole = Required<Omit<Row, 'sentPackets' | 'receivedPackets'>>

/** All rows of a workload as one. */
export function whole(scrape: Scrape, cgroup: { workload: string }): Whole {
  const all = { sent: 0, received: 0, opened: 0, closed: 0, open: 0 }
  for (const row of Object.values(flowsOf(scrape, cgroup))) {
    for (const name of Object.keys(all) as (keyof typeof all)[]) all[name] += row[name] ?? 0
  }
  return all
}

const COUNTERS = [
  'orb8_flow_bytes_total',
  'orb8_flow_packets_total',
  'orb8_container_network_bytes_total',
  'orb8_tcp_connections_opened_total',
  'orb8_tcp_connections_closed_total',
  'orb8_attributed_bytes_total',
]

/** Every counter that fell, or left, from one scrape to the next. */
export function falls(before: Scrape, after: Scrape): string[] {
  return COUNTERS.flatMap((name) =>
    matching(before, name).flatMap(({ labels, value }) => {
      const now = sum(after, name, labels)
      return now < value ? [`${name} ${JSON.stringify(labels)}: ${value} -> ${now}`] : []
    }),
  )
}
