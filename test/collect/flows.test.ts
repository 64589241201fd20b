import t from 'tap'
import { FlowCollector, type FlowPair, type FlowSource, STEPS, type Step } from '../../src/collect/flows.ts'
import { FLOW_COUNTS, HEALTH, PEER } from '../../src/kernel/layouts.ts'
import type { MapBatch } from '../../src/kernel/maps.ts'
import type { Totals } from '../../src/kernel/socket-datapath.ts'
import type { Flow, FlowLabels, Snapshot } from '../../src/model.ts'
import { createProcessMemory, type LedgerMemory } from '../../src/store/ledger-memory.ts'
import { createStore, type Store } from '../../src/store/store.ts'
import { collecting } from '../harness/drains.ts'
import { counts, key } from './entries.ts'

/** A `struct health` of attempts that were refused. */
function refused(attempts: number): Buffer {
  const bytes = Buffer.alloc(HEALTH.size)
  bytes.writeUInt32LE(attempts, HEALTH.failed)
  return bytes
}

const TOTALS: Totals = {
  tracked: 0,
  untrackedLimit: 0,
  untrackedMemory: 0,
  overflowFlows: 0,
  overflowBytes: 0,
  nodeOverflow: Buffer.alloc(FLOW_COUNTS.size),
  nodeHealth: Buffer.alloc(HEALTH.size),
  overflowHealth: 0,
}

/** Two maps that tests fill and collections swap and empty, as often as the process is born again. */
class Maps {
  readonly #value: Buffer
  filled: Buffer[] = []
  idle: Buffer[] = []

  /** Each entry has the same value. */
  constructor(value: Buffer) {
    this.#value = value
  }

  /** As a new process finds them. */
  pair(log: string[], name: string): FlowPair {
    const maps = this
    const values = this.#value
    return {
      pending: true,
      async swap() {
        if (this.pending) return
        log.push(`swap ${name}`)
        ;[maps.filled, maps.idle] = [maps.idle, maps.filled]
        Object.assign(this, { pending: true })
      },
      async *read(): AsyncGenerator<MapBatch> {
        log.push(`read ${name}`)
        for (const one of maps.idle) yield { count: 1, keys: one, values }
      },
      async empty() {
        log.push(`empty ${name}`)
        maps.idle = []
        Object.assign(this, { pending: false })
      },
    }
  }
}

class Kernel {
  readonly log: string[] = []
  readonly flows = new Maps(counts({ sentBytes: 5n }))
  readonly overflow = new Maps(counts({ sentBytes: 5n }))
  readonly health = new Maps(refused(1))
  readonly healthSpill = new Maps(refused(1))
  totals: Totals = TOTALS
  epoch = 0
  gapMs = 0

  source(): FlowSource {
    return {
      flows: this.flows.pair(this.log, 'flows'),
      overflow: this.overflow.pair(this.log, 'overflow'),
      health: this.health.pair(this.log, 'health'),
      healthSpill: this.healthSpill.pair(this.log, 'spill'),
      epoch: this.epoch,
      held: () => [],
      beat: async () => this.gapMs,
      walk: async () => {
        this.log.push('walk')
      },
      totals: () => this.totals,
    }
  }
}

/** A process that adds what it takes to a store, a series for each port. */
function committing(
  source: FlowSource,
  memory: LedgerMemory,
  step: ((name: Step) => void) | undefined,
): { collector: FlowCollector; store: Store } {
  const store = createStore({ flowLabels: ['port'], seriesLimit: 1000, seriesIdleMs: 3_600_000, memory })
  const take = (flows: readonly Flow[]): void => {
    for (const { key, counts } of flows) {
      const labels = { ...NOBODY, port: String(key.port), protocol: String(key.protocol) }
      store.add({ labels, attribution: 'none', counts })
    }
  }
  return {
    collector: new FlowCollector({ source, ledger: store, take, takeHealth: () => undefined, ...(step === undefined ? {} : { step }) }),
    store,
  }
}

const NOBODY: FlowLabels = {
  namespace: '',
  pod: '',
  container: '',
  workload: '',
  workloadKind: '',
  role: '',
  protocol: '',
  port: '',
  peerKind: '',
  peerNamespace: '',
  peerWorkload: '',
  peerZone: '',
}

function bytesIn({ flows }: Snapshot): number {
  const columns = flows.columns.flatMap(({ metric }, at) => (metric.name === 'orb8_flow_bytes_total' ? [at] : []))
  return flows.rows.reduce(
    (sum, _, row) => sum + columns.reduce((more, at) => more + (flows.values[row * flows.columns.length + at] ?? 0), 0),
    0,
  )
}

const bytesOf = (flows: readonly Flow[]): number => flows.reduce((sum, flow) => sum + flow.counts.sentBytes, 0)

t.test('a collection walks, swaps both pairs, reads them, and empties them last', async (t) => {
  const kernel = new Kernel()
  const { collect, store } = collecting(kernel.source())
  await collect()
  kernel.log.splice(0)
  kernel.flows.filled.push(key(), key({ port: 80 }))
  kernel.overflow.filled.push(key({ peer: PEER.peerOverflow }))
  const taken = await collect()
  t.same(
    taken.map((flow) => flow.key.peer),
    ['address', 'address', 'overflow'],
  )
  const pairs = ['flows', 'overflow', 'health', 'spill']
  t.same(kernel.log, ['walk', ...['swap', 'read', 'empty'].flatMap((deed) => pairs.map((pair) => `${deed} ${pair}`))])
  t.same(store.drains().committed, store.drains().emptied)
  t.same(await collect(), [], 'each flow is taken once')
})

t.test('what was taken is settled once all of a drain is there, before it is committed', async (t) => {
  const kernel = new Kernel()
  const source = kernel.source()
  const { store } = committing(source, createProcessMemory(), undefined)
  const seen: string[] = []
  const settle = async (): Promise<void> => {
    await Promise.resolve()
    seen.push(`settle after ${store.drains().committed.number}`)
  }
  const taking = { take: () => void seen.push('take'), takeHealth: () => void seen.push('health') }
  const collector = new FlowCollector({ source, ledger: store, ...taking, settle, step: (name) => void seen.push(name) })
  await collector.collect()
  seen.splice(0)
  kernel.flows.filled.push(key(), key({ port: 80 }))
  kernel.overflow.filled.push(key({ peer: PEER.peerOverflow }))
  const before = store.drains().committed.number
  await collector.collect()
  t.same(
    seen.filter((name) => name !== 'read'),
    ['walk', 'swap', 'begin', 'take', 'take', 'take', `settle after ${before}`, 'commit', 'empty', 'emptied', 'done'],
  )
})

t.test('what not even the overflow map had room for is told once, as a difference, also by the next process', async (t) => {
  const kernel = new Kernel()
  const memory = createProcessMemory()
  const nodeOverflow = (sentBytes: bigint): void => {
    kernel.totals = { ...TOTALS, nodeOverflow: counts({ sentBytes, opened: 2n }) }
  }
  nodeOverflow(100n)
  const first = collecting(kernel.source(), { memory })
  const [told] = await first.collect()
  t.same([told?.key.peer, told?.counts.sentBytes, told?.counts.opened], ['node_overflow', 100, 2])
  t.same(await first.collect(), [])
  nodeOverflow(170n)
  const [more] = await collecting(kernel.source(), { memory }).collect()
  t.same([more?.counts.sentBytes, more?.counts.opened], [70, 0])
})

t.test('health is handed out once, of full maps by the node, whose 32-bit counters come round', async (t) => {
  const kernel = new Kernel()
  const memory = createProcessMemory()
  const { collect, health } = collecting(kernel.source(), { memory })
  await collect()
  kernel.health.filled.push(key())
  kernel.healthSpill.filled.push(key({ peer: PEER.peerOverflow }))
  kernel.totals = { ...TOTALS, nodeHealth: refused(4_294_967_295) }
  await collect()
  t.same(
    health().map((seen) => [seen.key.peer, seen.health.failed[0]]),
    [
      ['address', 1],
      ['overflow', 1],
      ['node_overflow', 4_294_967_295],
    ],
  )
  kernel.totals = { ...TOTALS, nodeHealth: refused(2) }
  const next = collecting(kernel.source(), { memory })
  await next.collect()
  t.same(
    next.health().map((seen) => [seen.key.peer, seen.health.failed[0]]),
    [['node_overflow', 3]],
  )
})

t.test('the time without a reader is added up over restarts', async (t) => {
  const kernel = new Kernel()
  const memory = createProcessMemory()
  kernel.gapMs = 1_200_000
  const { collector } = collecting(kernel.source(), { memory })
  t.equal((await collector.collect()).gapMs, 1_200_000)
  kernel.gapMs = 0
  await collector.collect()
  kernel.gapMs = 1_000_500
  const next = collecting(kernel.source(), { memory }).collector
  await next.collect()
  t.equal(next.readerGapSeconds, 2200.5)
})

t.test('a process that ends before any step of any collection leaves nothing out and nothing twice', async (t) => {
  const steps = [...STEPS.flatMap((step) => [1, 2, 3].map((time) => ({ step, time })))]
  for (const { step, time } of steps) {
    const kernel = new Kernel()
    const memory = createProcessMemory()
    let seen = 0
    let put = 0
    const fill = (): void => {
      kernel.flows.filled.push(key({ port: 1 + (put % 7) }), key({ port: 100 + put }))
      kernel.overflow.filled.push(key({ peer: PEER.peerOverflow }))
      put += 3
    }
    const mortal = (name: Step): void => {
      if (name === step && ++seen === time) throw new Error('killed')
    }
    const committed: number[] = []
    for (let life = 0; life < 4; life++) {
      const { collector, store } = committing(kernel.source(), memory, life === 0 ? mortal : undefined)
      committed.push(bytesIn(store.snapshot(0)))
      try {
        for (let round = 0; round < 3; round++) {
          fill()
          await collector.collect()
          committed.push(bytesIn(store.snapshot(0)))
        }
      } catch (error) {
        if ((error as Error).message !== 'killed') throw error
      }
    }
    t.equal(committed.at(-1), put * 5, `${step} for the ${time}. time`)
    t.ok(
      committed.every((bytes, at) => at === 0 || bytes >= (committed[at - 1] as number)),
      'no value falls',
    )
  }
})

t.test('a collection that failed is brought to its end by the next one', async (t) => {
  for (const failing of STEPS) {
    const kernel = new Kernel()
    let fails = true
    const { collect, collector } = collecting(kernel.source(), {
      step: (name) => {
        if (fails && name === failing) throw new Error('once')
      },
    })
    fails = false
    await collect()
    kernel.flows.filled.push(key())
    fails = true
    await t.rejects(collector.collect(), /once/)
    fails = false
    const rest = bytesOf(await collect())
    const counted = ['empty', 'emptied', 'done'].includes(failing)
    t.equal(rest, counted ? 0 : 5, failing)
  }
})

t.test('a key that is told of again comes with the note of the last time, its health too', async (t) => {
  const kernel = new Kernel()
  kernel.flows.filled = [key({ port: 1 }), key({ port: 2 })]
  kernel.health.filled = [key({ port: 2 })]
  const { collect, health } = collecting(kernel.source())
  const [one, two] = await collect()
  t.equal(health()[0]?.note, two?.note)
  t.not(one?.note, two?.note)
  kernel.flows.filled = [key({ port: 2 }), key({ port: 3 })]
  const again = await collect()
  t.equal(again[0]?.note, two?.note)
  t.same(again[0]?.key, two?.key)
  t.same(
    again.map(({ key }) => key.port),
    [2, 3],
  )
})
