// The walk over all watched sockets, with thousands of connections open: idle, and with every one of them moved since.
import { setTimeout as sleep } from 'node:timers/promises'
import { SocketDatapath } from '../src/kernel/socket-datapath.ts'
import { CGROUP_ROOT } from '../test/harness/cgroups.ts'
import type { Bulk } from '../test/harness/traffic.ts'
import { Undo } from '../test/harness/undo.ts'
import { MANY, Place } from './place.ts'
import { below, digits, type Section, spread } from './report.ts'
import { quantile } from './statistics.ts'

const CONNECTIONS = [1000, 10_000, 100_000]
const PEERS = 1000
/** Of one process: the least hard limit met, less what it needs itself. */
const FILES = 10_000
const IDLE_WALKS = 20
const MOVED_WALKS = 10
const SOCKETS = 262_144

export const TITLE = 'The walk'

interface Figures {
  sockets: number
  readonly idle: number[]
  readonly moved: number[]
  readonly drain: number[]
}

export async function walk(tell: (line: string) => void): Promise<Section> {
  const rows: string[][] = []
  for (const connections of CONNECTIONS) {
    const figures = await measure(connections)
    tell(JSON.stringify(figures))
    rows.push(...rowsOf(connections, figures))
  }
  return {
    title: TITLE,
    method: [
      `Both ends of every connection are on this host, two sockets each, over ${PEERS} addresses: ${2 * PEERS} entries of the flow map. One read of the iterator from its opening to its end, with the`,
      `way through the thread pool; ${IDLE_WALKS} walks with all idle, ${MOVED_WALKS} with a byte sent on each connection just before. *Drain*: swapping the flow map (an RCU grace period) and emptying it.`,
    ].join(' '),
    head: ['connections', 'sockets', 'since the last walk', 'walk, ms', 'ns a socket', 'target', 'drain, ms'],
    rows,
  }
}

async function measure(connections: number): Promise<Figures> {
  const undo = new Undo()
  const figures: Figures = { sockets: 0, idle: [], moved: [], drain: [] }
  try {
    const place = new Place(undo)
    await using datapath = await SocketDatapath.start({ cgroupRoot: CGROUP_ROOT, flowEntries: 65_536, sockets: SOCKETS })
    const clients = await connect(place, connections)
    const timed = async (body: () => Promise<void>): Promise<number> => {
      const began = performance.now()
      await body()
      return performance.now() - began
    }
    const drain = async (): Promise<void> => {
      await datapath.flows.swap()
      await datapath.flows.empty()
    }
    await datapath.walk()
    await drain()
    figures.sockets = datapath.totals().tracked
    for (let i = 0; i < MOVED_WALKS; i++) {
      for (const client of clients) await client.nudge()
      await sleep(50) // delayed ACKs
      figures.moved.push(await timed(() => datapath.walk()))
      figures.drain.push(await timed(drain))
    }
    for (let i = 0; i < IDLE_WALKS; i++) figures.idle.push(await timed(() => datapath.walk()))
    return figures
  } finally {
    await undo.all()
  }
}

/** Over as many processes as the limit of open files asks for. */
async function connect(place: Place, connections: number): Promise<Bulk[]> {
  const clients: Bulk[] = []
  for (let left = connections; left > 0; left -= FILES) {
    const server = place.server('serve', { address: '0.0.0.0', hold: true, limit: 600 })
    const [port = 0] = await server.ports()
    const client = place.client('hold', { address: MANY, addresses: PEERS, port, connections: Math.min(left, FILES), limit: 600 })
    const { failures } = await client.figures()
    if (failures > 0) throw new Error(`${failures} connections failed`)
    clients.push(client)
  }
  return clients
}

function rowsOf(connections: number, { sockets, idle, moved, drain }: Figures): string[][] {
  const limit = new Map([
    [10_000, 300],
    [100_000, 1000],
  ]).get(connections)
  return (
    [
      ['nothing moved', idle],
      ['every one moved', moved],
    ] as const
  ).map(([state, walks]) => {
    const ns = walks.map((ms) => (ms * 1e6) / sockets)
    return [
      connections.toLocaleString('en-US'),
      sockets.toLocaleString('en-US'),
      state,
      spread(walks, digits(1)),
      spread(ns, digits(0)),
      limit === undefined ? '' : below(quantile(ns, 0.75), limit, ' ns'),
      state === 'nothing moved' ? '' : spread(drain, digits(1)),
    ]
  })
}
