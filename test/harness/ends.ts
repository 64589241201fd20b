// Two agents in cgroups of their own and an exporter that must see exactly the rows given, no more.
import type { Test } from 'tap'
import type { Cgroup } from './cgroups.ts'
import type { Exporter, ExporterOptions } from './exporter.ts'
import { flowsOf, type Row } from './flows.ts'
import type { Namespace } from './namespaces.ts'
import type { Site } from './site.ts'
import type { Agent } from './traffic.ts'

export type Rows = Record<string, Row>

export const ended = (sent: number, received: number): Row => ({ sent, received, opened: 1, closed: 1, open: 0 })
export const still = (sent: number, received: number): Row => ({ sent, received, opened: 1, closed: 0, open: 1 })

export interface Ends {
  readonly server: Agent
  readonly client: Agent
  readonly cgroups: { readonly server: Cgroup; readonly client: Cgroup }
  readonly exporter: Exporter
  /** Waits until both workloads have these rows; fails where they never do. */
  readonly flows: (server: Rows, client: Rows, why: string) => Promise<void>
}

export interface EndsOptions extends ExporterOptions {
  readonly serverIn?: Namespace
  readonly clientIn?: Namespace
}

const place = (cgroup: Cgroup, namespace: Namespace | undefined) => (namespace === undefined ? { cgroup } : { cgroup, namespace })

export async function twoEnds(t: Test, site: Site, { serverIn, clientIn, ...options }: EndsOptions = {}): Promise<Ends> {
  const cgroups = { server: site.cgroup('server'), client: site.cgroup('client') }
  const server = site.agent(place(cgroups.server, serverIn))
  const client = site.agent(place(cgroups.client, clientIn))
  const exporter = await site.exporter(options)
  return { server, client, cgroups, exporter, flows: expectRows(t, exporter, cgroups) }
}

export function expectRows(t: Test, exporter: Exporter, cgroups: Ends['cgroups']): Ends['flows'] {
  return async (server, client, why) => {
    const wanted = { server, client }
    const read = await exporter.settled(wanted, (scrape) => ({
      server: flowsOf(scrape, cgroups.server),
      client: flowsOf(scrape, cgroups.client),
    }))
    t.same(read, wanted, why)
  }
}
