// Two ends of a wire for traffic: a namespace each, pinned to one core. Knows namespaces and the traffic program.
import { type Cgroup, makeCgroup } from '../test/harness/cgroups.ts'
import { run } from '../test/harness/child.ts'
import { makeNamespace, type Namespace, wire } from '../test/harness/namespaces.ts'
import { Bulk } from '../test/harness/traffic.ts'
import type { Undo } from '../test/harness/undo.ts'

export const SERVER = '10.89.0.2'
/** The first of 32,768 addresses that the server's end answers at, so that no run is short of ports. */
export const MANY = '10.89.128.0'
/** Both ends share it: no waking of another core, whose cost varies most of all, and every nanosecond spent shows. */
export const TRAFFIC_CORE = 1
export const OTHER_CORE = 0
export const ALL_CORES = '0-1023'

type Options = Readonly<Record<string, string | number | true>>

export class Place {
  readonly #undo: Undo
  readonly #client: Namespace
  readonly #server: Namespace
  readonly #cgroup: Cgroup

  constructor(undo: Undo) {
    this.#undo = undo
    this.#client = makeNamespace(undo, 'bench-client')
    this.#server = makeNamespace(undo, 'bench-server')
    this.#cgroup = makeCgroup(undo, 'bench')
    wire(this.#client, this.#server, [['10.89.0.1/24', `${SERVER}/24`]])
    run('ip', '-n', this.#client.name, 'route', 'add', '10.89.128.0/17', 'via', SERVER)
    run('ip', '-n', this.#server.name, 'route', 'add', 'local', '10.89.128.0/17', 'dev', 'lo')
    for (const namespace of [this.#client, this.#server]) namespace.sysctl('net.ipv4.ip_local_port_range', '1024 65535')
  }

  client(command: string, options: Options): Bulk {
    return pinned(TRAFFIC_CORE, () => new Bulk(this.#undo, { namespace: this.#client, cgroup: this.#cgroup }, command, options))
  }

  server(command: string, options: Options, core = TRAFFIC_CORE): Bulk {
    return pinned(core, () => new Bulk(this.#undo, { namespace: this.#server, cgroup: this.#cgroup }, command, options))
  }
}

/** A child inherits the cores of the thread that starts it. */
function pinned<T>(core: number, start: () => T): T {
  run('taskset', '-cp', String(core), String(process.pid))
  try {
    return start()
  } finally {
    run('taskset', '-cp', ALL_CORES, String(process.pid))
  }
}
