// A scrape as tests of names ask for it: bytes by who sent them and to whom. Knows labels; nothing of who should have which.
import { matching, type Scrape } from './exposition.ts'

export interface Bytes {
  sent: number
  received: number
}

/**
 * Keys such as `shop/web-1/nginx Deployment/web client pod data/postgres eu-1a`: namespace, pod and container, workload, role, the peer's
 * kind, its namespace and workload, its zone. What is empty is left out.
 */
export function namedFlows(scrape: Scrape, labels: Readonly<Record<string, string>>): Record<string, Bytes> {
  const rows: Record<string, Bytes> = {}
  for (const { labels: of, value } of matching(scrape, 'orb8_flow_bytes_total', labels)) {
    const owner = [of.namespace, of.pod, of.container].filter((part) => part !== '').join('/')
    const peer = [of.peer_kind, [of.peer_namespace, of.peer_workload].filter((part) => part !== '').join('/'), of.peer_zone]
    const key = [owner, `${of.workload_kind}/${of.workload}`, of.role, ...peer].filter((part) => part !== '').join(' ')
    rows[key] ??= { sent: 0, received: 0 }
    rows[key][of.direction === 'egress' ? 'sent' : 'received'] += value
  }
  return rows
}

/** Bytes attributed by each method. */
export function attributed(scrape: Scrape): Record<string, number> {
  return Object.fromEntries(matching(scrape, 'orb8_attributed_bytes_total').map(({ labels, value }) => [labels.method ?? '', value]))
}
