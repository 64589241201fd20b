// Workloads that come and go, each in a cgroup of its own that is made and removed by the traffic program. Knows what each of them did;
// nothing of who counts.
import type { Cgroup } from './cgroups.ts'
import { Child } from './child.ts'
import type { Namespace } from './namespaces.ts'
import { buildTraffic, placed } from './traffic.ts'
import type { Undo } from './undo.ts'

export interface CrowdOptions {
  /** Below it theirs are made. */
  readonly parent: Cgroup
  readonly namespace: Namespace
  /** Of the servers, from the first on. */
  readonly address: string
  readonly addresses: number
  readonly ports: readonly number[]
  readonly workloads: number
  readonly atOnce: number
  /** Connections of each, over its life. */
  readonly connections: number
  readonly lifeMs: number
  /** Nothing that is forgotten outlives this. */
  readonly limitSeconds: number
}

/** What one of them did, once it is gone and its cgroup with it. */
export interface Member {
  /** As the exporter names it. */
  readonly name: string
  readonly cgroup: bigint
  readonly connections: number
  readonly read: number
  readonly written: number
  readonly failures: number
}

interface Told extends Omit<Member, 'name' | 'cgroup'> {
  readonly workload: number
  readonly cgroup: string
  readonly status: number
}

export class Crowd {
  readonly #child: Child
  readonly #parent: Cgroup
  readonly #workloads: number

  constructor(
    undo: Undo,
    { parent, namespace, address, addresses, ports, workloads, atOnce, connections, lifeMs, limitSeconds }: CrowdOptions,
  ) {
    this.#parent = parent
    this.#workloads = workloads
    const options = {
      address,
      addresses,
      port: ports.join(','),
      workloads,
      connections,
      'at-once': atOnce,
      life: lifeMs,
      limit: limitSeconds,
      up: 200,
      down: 900,
    }
    const flags = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)])
    this.#child = new Child(undo, buildTraffic(), [...placed({ cgroup: parent, namespace }), ...flags, '--spread', 'workloads'])
  }

  /** Each as soon as it has gone. Throws where one did not end well. */
  async *members(): AsyncGenerator<Member> {
    for (let gone = 0; gone < this.#workloads; gone++) {
      const { workload, cgroup, status, ...figures } = JSON.parse(await this.#child.line()) as Told
      if (status !== 0) throw new Error(`workload ${workload} ended with ${status}: ${this.#child.stderr.join(' ')}`)
      yield { ...figures, name: `${this.#parent.workload}/w${workload}`, cgroup: BigInt(cgroup) }
    }
    await this.#child.end()
  }
}
