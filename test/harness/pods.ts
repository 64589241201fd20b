// A node in small: a cgroup root of its own with a cgroup above the pods, two hosts on a wire, and what the programs counted of each pod.
import { statSync } from 'node:fs'
import { formatAddress } from '../../src/address.ts'
import { type DatapathOptions, SocketDatapath } from '../../src/kernel/socket-datapath.ts'
import type { FlowCounts } from '../../src/model.ts'
import type { Cgroup } from './cgroups.ts'
import { type Collecting, collecting } from './drains.ts'
import { type Namespace, wire } from './namespaces.ts'
import type { Site } from './site.ts'
import type { Agent } from './traffic.ts'

export const HOSTS = { client: ['10.11.0.1', 'fd11::1'], server: ['10.11.0.2', 'fd11::2'] } as const

export interface Pods {
  readonly root: Cgroup
  readonly above: Cgroup
  readonly cgroups: { readonly client: Cgroup; readonly server: Cgroup }
  readonly namespaces: { readonly client: Namespace; readonly server: Namespace }
  readonly client: Agent
  readonly server: Agent
}

export function makePods(site: Site): Pods {
  const root = site.cgroup('node')
  const above = site.cgroup('kubepods.slice', root)
  const cgroups = { client: site.cgroup('client', above), server: site.cgroup('server', above) }
  const namespaces = { client: site.namespace('client'), server: site.namespace('server') }
  wire(namespaces.client, namespaces.server, [
    [`${HOSTS.client[0]}/24`, `${HOSTS.server[0]}/24`],
    [`${HOSTS.client[1]}/64`, `${HOSTS.server[1]}/64`],
  ])
  const client = site.agent({ cgroup: cgroups.client, namespace: namespaces.client })
  const server = site.agent({ cgroup: cgroups.server, namespace: namespaces.server })
  return { root, above, cgroups, namespaces, client, server }
}

/** Programs below the node's root. */
export function startBelow({ root }: Pick<Pods, 'root'>, options: Partial<DatapathOptions> = {}): Promise<SocketDatapath> {
  return SocketDatapath.start({ cgroupRoot: root.directory, flowEntries: 4096, sockets: 4096, ...options })
}

/** What moved, by `client 6 80 10.96.0.1`: role, protocol, port and remote address, or the class in its place. */
export type Seen = Record<string, Partial<FlowCounts>>

export class Counted {
  readonly #collecting: Collecting
  #flows: Awaited<ReturnType<Collecting['collect']>> = []

  constructor(datapath: SocketDatapath) {
    this.#collecting = collecting(datapath)
  }

  /** Since the last call. */
  async collect(): Promise<this> {
    this.#flows = await this.#collecting.collect()
    return this
  }

  of({ directory }: Cgroup, ...fields: (keyof FlowCounts)[]): Seen {
    const id = statSync(directory, { bigint: true }).ino
    const seen: Seen = {}
    for (const { key, counts } of this.#flows) {
      if (key.cgroup !== id) continue
      const remote = key.peer === 'address' ? formatAddress(key.remote) : key.peer
      const name = `${key.role} ${key.protocol} ${key.port} ${remote}`
      if (seen[name] !== undefined) throw new Error(`two rows for ${name}: another local address`)
      seen[name] = Object.fromEntries(fields.map((field) => [field, counts[field]]))
    }
    return seen
  }
}
