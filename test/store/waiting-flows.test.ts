import t from 'tap'
import type { FlowCounts, Snapshot } from '../../src/model.ts'
import { Ledger } from '../../src/store/ledger.ts'
import type { LedgerMemory } from '../../src/store/ledger-memory.ts'
import { createStore, type Store } from '../../src/store/store.ts'
import { WAITING_KINDS, WaitingFlows } from '../../src/store/waiting-flows.ts'
import { flow, health, LABELS, NOTHING, SOUND, times } from './flows.ts'
import { flowKey } from './histories.ts'
import { copyOf, keptMemory, scarceMemory } from './kept-memory.ts'

const COUNTS: FlowCounts = {
  sentBytes: 1000,
  receivedBytes: -2,
  sentPackets: 3,
  receivedPackets: 4,
  opened: 2,
  adopted: 1,
  closed: 1,
  retransmitted: 5,
}
const HEALTH = { failed: [1, 2, 3, 4, 5, 6], rtt: times(2, 0.001, 0.0005), connect: times(11, 40), listenOverflows: 7, receiveDrops: 8 }
const NAMED = { labels: LABELS, attribution: 'cgroup' } as const

function open(memory: LedgerMemory, clock = { nowMs: 0 }): Store {
  const flowLabels = ['workload', 'protocol', 'direction'] as const
  return createStore({ flowLabels, seriesLimit: 50_000, seriesIdleMs: 1e9, now: () => clock.nowMs, startMs: 0, memory })
}

async function drained(store: Store, deed: () => void = () => undefined): Promise<Snapshot> {
  store.begin(store.drains().committed.number + 1)
  deed()
  await store.commit(0)
  store.emptied()
  return store.snapshot(0)
}

function shown({ flows, containers, health }: Snapshot): unknown {
  return [flows, containers, ...health].map(({ rows, values }) => [rows.map(({ labels }) => labels), ...values])
}

/** What it is when nothing had to wait. */
async function atOnce(...counts: readonly FlowCounts[]): Promise<unknown> {
  const add = (store: Store) => () => {
    for (const one of counts) store.add({ ...NAMED, counts: one })
    store.addHealth({ ...NAMED, health: HEALTH })
  }
  const store = open(keptMemory())
  return [shown(await drained(store, add(store))), store.stats()]
}

t.test('what was held is nowhere to be seen, and all there once it has its name', async (t) => {
  const store = open(keptMemory())
  const hold = (): void => {
    t.ok(store.hold(flowKey(1), COUNTS))
    t.ok(store.holdHealth(flowKey(1), HEALTH))
  }
  t.same(shown(await drained(store, hold)), shown(await drained(open(keptMemory()))))
  t.equal(store.stats().attributedBytes.cgroup, 0)
  t.equal(store.holding, 1)
  await drained(store, () => t.ok(store.hold(flowKey(1), COUNTS)))
  const named = await drained(store, () => store.release(flowKey(1), NAMED))
  t.same([shown(named), store.stats()], await atOnce(COUNTS, COUNTS))
  t.equal(store.holding, 0)
  t.same(shown(await drained(store)), shown(named), 'once')
})

t.test('it outlives the process, key and time and all, and is neither lost nor told twice', async (t) => {
  const memory = keptMemory()
  const clock = { nowMs: 7000 }
  const first = open(memory, clock)
  await drained(first, () => {
    first.hold(flowKey(200), COUNTS)
    first.holdHealth(flowKey(200), HEALTH)
  })
  clock.nowMs = 8000
  await drained(first, () => first.hold(flowKey(200), COUNTS))
  const second = open(copyOf(memory))
  t.same([...second.held()], [{ key: flowKey(200), sinceMs: 7000 }])
  second.begin(3)
  second.release(flowKey(200), NAMED)
  const third = open(copyOf(memory))
  t.equal(third.holding, 1, 'the second was killed before it had committed')
  t.same(shown(await drained(third, () => third.release(flowKey(200), NAMED))), ((await atOnce(COUNTS, COUNTS)) as unknown[])[0])
  t.equal(open(copyOf(memory)).holding, 1)
})

t.test('a drain begun again finds what was held and released as before it', async (t) => {
  const store = open(keptMemory())
  await drained(store, () => store.hold(flowKey(1), COUNTS))
  store.begin(2)
  store.release(flowKey(1), NAMED)
  store.hold(flowKey(1), COUNTS)
  store.hold(flowKey(2), COUNTS)
  store.holdHealth(flowKey(1), HEALTH)
  store.begin(2)
  t.same(
    [...store.held()].map(({ key }) => key.id),
    [flowKey(1).id],
  )
  store.release(flowKey(1), NAMED)
  await store.commit(0)
  const kept = await drained(store)
  const once = open(keptMemory())
  t.same(shown(kept), shown(await drained(once, () => once.add({ ...NAMED, counts: COUNTS }))))
})

t.test('released and held again within one drain, the rest waits alone', async (t) => {
  const store = open(keptMemory())
  await drained(store, () => store.hold(flowKey(1), COUNTS))
  await drained(store, () => {
    store.release(flowKey(1), NAMED)
    store.hold(flowKey(1), { ...NOTHING, sentBytes: 5 })
  })
  t.equal(store.holding, 1)
  const end = await drained(store, () => store.release(flowKey(1), NAMED))
  const straight = open(keptMemory())
  const once = await drained(straight, () => {
    straight.add({ ...NAMED, counts: COUNTS })
    straight.add(flow({}, { sentBytes: 5 }))
  })
  t.same(shown(end), shown(once))
})

t.test('what is nobody’s here is forgotten', async (t) => {
  const store = open(keptMemory())
  await drained(store, () => store.hold(flowKey(1), COUNTS))
  const empty = shown(await drained(store))
  t.same(shown(await drained(store, () => store.release(flowKey(1), undefined))), empty)
  t.equal(store.holding, 0)
})

t.test('nothing is no reason to wait', async (t) => {
  const store = open(keptMemory())
  await drained(store, () => {
    t.ok(store.hold(flowKey(1), NOTHING))
    t.ok(store.holdHealth(flowKey(1), SOUND))
    store.release(flowKey(2), NAMED)
  })
  t.equal(store.holding, 0)
})

t.test('beyond the bound nothing waits, and a flow given back makes room', async (t) => {
  const ledger = new Ledger({ memory: keptMemory(), identity: '', startMs: 0, tallied: WAITING_KINDS })
  const waiting = new WaitingFlows(ledger, () => 0, 2)
  ledger.begin({ number: 1, source: 0 })
  t.ok(waiting.hold(flowKey(1), COUNTS))
  t.ok(waiting.holdHealth(flowKey(2), HEALTH))
  t.notOk(waiting.hold(flowKey(3), COUNTS))
  t.ok(waiting.hold(flowKey(2), COUNTS), 'those that wait go on')
  t.equal(waiting.size, 2)
  waiting.release(flowKey(1))
  for (const _ of ledger.commit(0)) t.fail('nothing to be sliced')
  waiting.settle()
  ledger.begin({ number: 2, source: 0 })
  t.ok(waiting.hold(flowKey(3), COUNTS))
})

t.test('where memory is refused nothing is held, and health not in part', async (t) => {
  const store = open(scarceMemory(2))
  const before = { ...SOUND, failed: HEALTH.failed }
  await drained(store, () => {
    let held = 0
    while (store.holdHealth(flowKey(held), before)) held++
    t.ok(held > 10, `${held}`)
    t.notOk(store.hold(flowKey(held), COUNTS))
    t.notOk(store.holdHealth(flowKey(0), { ...HEALTH, failed: HEALTH.failed }), 'no room for its times')
    store.release(flowKey(0), NAMED)
  })
  const straight = open(keptMemory())
  const once = await drained(straight, () => straight.addHealth(health({}, before)))
  const after = store.snapshot(0)
  t.same(
    after.health.map(({ rows }) => rows.length),
    once.health.map(({ rows }) => rows.length),
  )
  t.same([...(after.health[0]?.values ?? [])], [...(once.health[0]?.values ?? [])])
})
