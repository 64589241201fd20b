// What a soak compares: what each of many workloads did with what all rows of it showed, also those that have left meanwhile.
import type { Cgroup } from './cgroups.ts'
import type { Member } from './crowd.ts'
import { LastingSums } from './lasting-sums.ts'
import type { Figures } from './traffic.ts'

/** Of one workload, or of the server of all. */
export interface Did {
  readonly sent: number
  readonly received: number
  readonly opened: number
  readonly closed: number
  readonly open: number
  /** The same bytes in the container totals. */
  readonly containerSent: number
  readonly containerReceived: number
}

const EGRESS = 'direction="egress"'
const INGRESS = 'direction="ingress"'

export function soakSums(): LastingSums {
  return new LastingSums(
    {
      sent: { metric: 'orb8_flow_bytes_total', having: EGRESS },
      received: { metric: 'orb8_flow_bytes_total', having: INGRESS },
      opened: { metric: 'orb8_tcp_connections_opened_total' },
      closed: { metric: 'orb8_tcp_connections_closed_total' },
      open: { metric: 'orb8_active_flows' },
      containerSent: { metric: 'orb8_container_network_bytes_total', having: EGRESS },
      containerReceived: { metric: 'orb8_container_network_bytes_total', having: INGRESS },
    },
    ['open'],
  )
}

const did = ({ connections, read, written }: Pick<Figures, 'connections' | 'read' | 'written'>): Did => ({
  sent: written,
  received: read,
  opened: connections,
  closed: connections,
  open: 0,
  containerSent: written,
  containerReceived: read,
})

/** Every difference, told in words; nothing where all is exact. */
export function differences(sums: LastingSums, members: readonly Member[], server: readonly [Cgroup, Figures]): string[] {
  const all = [...members.map((member) => [member.name, did(member)] as const), [server[0].workload, did(server[1])] as const]
  const shown = sums.byWorkload()
  return all.flatMap(([name, wanted]) => {
    const got = shown.get(name) ?? new Map<string, number>()
    return Object.entries(wanted)
      .filter(([field, value]) => (got.get(field) ?? 0) !== value)
      .map(([field, value]) => `${name} ${field}: ${got.get(field) ?? 0}, not ${value}`)
  })
}
