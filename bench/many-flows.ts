// Datagrams of many workloads to many ports, so that as many series come up and all of them move. Knows cgroups and sockets;
// nothing of who counts.
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { CGROUP_ROOT, makeCgroup } from '../test/harness/cgroups.ts'
import type { Undo } from '../test/harness/undo.ts'

/** Of one workload: server ports, a series each with both its directions. */
export const PORTS = 250
/** Nobody listens on loopback at these. */
const FIRST_PORT = 20_000
const WAITING = 64

export class ManyFlows {
  readonly #sockets: readonly Socket[]

  private constructor(sockets: readonly Socket[]) {
    this.#sockets = sockets
  }

  /** A socket belongs to the cgroup in which its maker was at that moment. */
  static async open(undo: Undo, workloads: number): Promise<ManyFlows> {
    const own = /^0::(.*)$/m.exec(readFileSync('/proc/self/cgroup', 'utf8'))?.[1] ?? '/'
    const sockets: Socket[] = []
    try {
      for (let i = 0; i < workloads; i++) {
        move(makeCgroup(undo, `workload-${i}`).directory)
        const socket = createSocket('udp4').bind(0, '127.0.0.1')
        await once(socket, 'listening')
        sockets.push(socket)
      }
    } finally {
      move(join(CGROUP_ROOT, own))
    }
    undo.add({
      gently: () => {
        for (const socket of sockets) socket.close()
      },
      atOnce: () => undefined,
    })
    return new ManyFlows(sockets)
  }

  /** One datagram to every port from every workload, or from the first so many. */
  async send(ports: number = PORTS, workloads: number = this.#sockets.length): Promise<void> {
    let waiting: Promise<unknown>[] = []
    for (const socket of this.#sockets.slice(0, workloads)) {
      for (let port = FIRST_PORT; port < FIRST_PORT + ports; port++) {
        waiting.push(new Promise((resolve) => socket.send('12345678', port, '127.0.0.1', resolve)))
        if (waiting.length < WAITING) continue
        await Promise.all(waiting)
        waiting = []
      }
    }
    await Promise.all(waiting)
  }
}

function move(directory: string): void {
  writeFileSync(join(directory, 'cgroup.procs'), String(process.pid))
}
