// What each program takes at each run, beside a program that does nothing at the same hook. Knows hooks; nothing of speed.
import { setTimeout as sleep } from 'node:timers/promises'
import { Undo } from '../test/harness/undo.ts'
import { attachEmpty } from './empty.ts'
import { startExporter } from './exporter.ts'
import { runsOf, setAdopting, withStats } from './kernel-view.ts'
import { ManyFlows } from './many-flows.ts'
import { Place, SERVER } from './place.ts'
import { below, digits, type Section, spread } from './report.ts'
import { quantile } from './statistics.ts'
import { runClient, WORKLOADS } from './workloads.ts'

const PASSES = 7
const SECONDS = 1
const DATAGRAMS = 300_000

export const TITLE = 'Programs, each run'

interface Kind {
  readonly name: string
  readonly adopting: boolean
  readonly programs: readonly (readonly [ours: readonly string[], empty: string])[]
  readonly limitNs?: number
  readonly traffic: (place: Place, flows: ManyFlows) => Promise<void>
}

const EGRESS = [['orb8_egress'], 'empty_egress'] as const
const INGRESS = [['orb8_ingress'], 'empty_ingress'] as const
const STATE = [['orb8_tcp_state', 'orb8_tcp_events'], 'empty_state'] as const

const KINDS: readonly Kind[] = [
  { name: 'TCP packet', adopting: false, programs: [EGRESS, INGRESS], limitNs: 30, traffic: clientOf('rr') },
  { name: 'TCP packet, first ten minutes (adoption)', adopting: true, programs: [EGRESS, INGRESS], traffic: clientOf('rr') },
  { name: 'UDP packet, one flow', adopting: false, programs: [EGRESS, INGRESS], limitNs: 100, traffic: flood },
  { name: 'UDP packet, request and response', adopting: false, programs: [EGRESS, INGRESS], limitNs: 100, traffic: clientOf('udp') },
  { name: 'UDP packet, 25,000 flows', adopting: false, programs: [EGRESS], traffic: (_, flows) => flows.send() },
  { name: 'TCP state change, short connections', adopting: false, programs: [STATE], traffic: clientOf('crr') },
]

export async function programs(tell: (line: string) => void): Promise<Section> {
  const rows = await withStats(async () => {
    const undo = new Undo()
    try {
      return await measureAll(undo, tell)
    } finally {
      await undo.all()
    }
  })
  return {
    title: TITLE,
    method: [
      `Run time and run count of \`kernel.bpf_stats_enabled\`, whose own cost is in every figure; programs that return at once are attached beside ours at the same hooks and see the same events.`,
      `${PASSES} passes of each kind of traffic, on one core. *Beyond*: ours less the empty one's. The state change runs two programs, whose times are added.`,
    ].join(' '),
    head: ['', 'program', 'runs', 'ns', 'empty, ns', 'beyond, ns', 'target'],
    rows,
  }
}

async function measureAll(undo: Undo, tell: (line: string) => void): Promise<string[][]> {
  using _ = attachEmpty()
  const place = new Place(undo)
  const flows = await ManyFlows.open(undo, 100)
  const exporter = await startExporter(undo)
  await sleep(500)
  const rows: string[][] = []
  for (const kind of KINDS) {
    tell(kind.name)
    setAdopting(exporter.pid, kind.adopting)
    await kind.traffic(place, flows)
    const passes = kind.programs.map(() => ({ ours: [] as number[], empty: [] as number[], runs: 0 }))
    for (let i = 0; i < PASSES; i++) {
      const before = new Map([...runsOf(exporter.pid), ...runsOf(process.pid)])
      await kind.traffic(place, flows)
      const after = new Map([...runsOf(exporter.pid), ...runsOf(process.pid)])
      const each = (name: string): { ns: number; count: number } => {
        const [from, to] = [before.get(name), after.get(name)]
        const count = (to?.count ?? 0) - (from?.count ?? 0)
        return { ns: ((to?.ns ?? 0) - (from?.ns ?? 0)) / count, count }
      }
      for (const [index, [ours, empty]] of kind.programs.entries()) {
        const pass = passes[index]
        pass?.ours.push(ours.reduce((sum, name) => sum + (after.has(name) ? each(name).ns : 0), 0))
        pass?.empty.push(each(empty).ns)
        if (pass) pass.runs = each(empty).count
      }
    }
    for (const [index, [ours]] of kind.programs.entries()) {
      const { ours: ns = [], empty = [], runs = 0 } = passes[index] ?? {}
      const beyond = ns.map((value, pass) => value - (empty[pass] ?? 0) * ours.length)
      rows.push([
        kind.name,
        ours.join(', '),
        digits(0)(runs),
        spread(ns, digits(0)),
        spread(empty, digits(0)),
        spread(beyond, digits(0)),
        kind.limitNs === undefined ? '' : below(quantile(beyond, 0.75), kind.limitNs, ' ns'),
      ])
      tell(rows.at(-1)?.join(' | ') ?? '')
    }
  }
  await exporter.stop()
  return rows
}

function clientOf(name: 'rr' | 'udp' | 'crr'): Kind['traffic'] {
  return async (place) => {
    const workload = WORKLOADS[name]
    if (workload === undefined) throw new Error(name)
    const server = workload.serve(place)
    const [port = 0] = await server.ports()
    await runClient(place, workload, port, SECONDS)
    await server.stop()
  }
}

async function flood(place: Place): Promise<void> {
  const server = place.server('udp-sink', { address: SERVER })
  const [port = 0] = await server.ports()
  await place.client('udp-flood', { address: SERVER, port, connections: DATAGRAMS, size: 64 }).figures()
  await server.stop()
}
