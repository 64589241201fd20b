import t from 'tap'
import { FLOW_LABELS } from '../../src/metrics.ts'
import type { SeriesTable } from '../../src/model.ts'
import type { LedgerMemory } from '../../src/store/ledger-memory.ts'
import { createProcessMemory } from '../../src/store/ledger-memory.ts'
import { createStore, type StoreOptions } from '../../src/store/store.ts'
import { flow, health } from './flows.ts'
import { copyOf, keptMemory, scarceMemory } from './kept-memory.ts'

function store(memory: LedgerMemory, options: Partial<StoreOptions> = {}) {
  const flowLabels = [...FLOW_LABELS, 'direction'] as const
  return createStore({ flowLabels, seriesLimit: 50_000, seriesIdleMs: 100, now: () => 0, startMs: 1000, memory, ...options })
}

/** Of the first column: bytes sent. */
function sent({ rows, columns, values }: SeriesTable): number {
  return rows.reduce((sum, _, row) => sum + (values[row * columns.length] as number), 0)
}

t.test('nothing is shown before it is committed, nor added after', async (t) => {
  const series = store(keptMemory())
  t.throws(() => series.add(flow({}, { sentBytes: 1 })), /outside a drain/)
  series.begin(1)
  series.add(flow({}, { sentBytes: 1 }))
  t.throws(() => series.snapshot(0), /committed/)
  await series.commit(0)
  t.equal(sent(series.snapshot(0).flows), 1)
  t.throws(() => series.add(flow({}, { sentBytes: 1 })), /outside a drain/)
})

t.test('the next process shows what was committed before it has collected anything', async (t) => {
  const memory = keptMemory()
  const first = store(memory)
  t.equal(first.collectedMs(), 1000, 'nothing yet: when counting began')
  first.begin(9, 1)
  first.add(flow({}, { sentBytes: 7 }))
  await first.commit(3000)
  const next = store(copyOf(memory), { startMs: 9999 })
  t.same(next.opening, { restored: true, reason: '' })
  t.same(next.drains(), { committed: { number: 9, source: 1 }, emptied: { number: 0, source: 0 } })
  t.equal(next.startMs, 1000)
  t.equal(next.collectedMs(), 3000)
  t.equal(sent(next.snapshot(4000).flows), 7)
  t.equal(next.stats().attributedBytes.cgroup, 7)
})

t.test('a series that begins after a restart starts at the end of the last collection before it', async (t) => {
  const memory = keptMemory()
  const first = store(memory)
  first.begin(1)
  await first.commit(3000)
  const next = store(copyOf(memory), { startMs: 9999 })
  next.begin(2)
  next.add(flow({}, { sentBytes: 7 }))
  await next.commit(12_000)
  t.equal(next.snapshot(12_000).flows.rows[0]?.startMs, 3000)
})

t.test('an idle series does not live longer for a restart', async (t) => {
  const memory = keptMemory()
  const first = store(memory, { now: () => 50 })
  first.begin(1)
  first.add(flow({}, { sentBytes: 7 }))
  await first.commit(0)
  const rows = async (nowMs: number) => {
    const next = store(copyOf(memory), { now: () => nowMs })
    next.begin(2)
    await next.commit(0)
    return next.snapshot(0).flows.rows.length
  }
  t.equal(await rows(149), 1)
  t.equal(await rows(150), 0)
  t.equal(await rows(10), 1, 'a clock that is behind lets nothing leave')
})

for (const changed of [{ seriesLimit: 1000 }, { identity: 'x' }, { flowLabels: ['workload'] }] as const) {
  t.test(`with another ${Object.keys(changed)[0]} all begins at 0`, async (t) => {
    const memory = keptMemory()
    const first = store(memory)
    first.begin(1)
    first.add(flow({}, { sentBytes: 7 }))
    await first.commit(0)
    const next = store(memory, changed)
    t.match(next.opening, { restored: false, reason: /changed/ })
    t.equal(next.snapshot(0).flows.rows.length, 0)
    t.equal(next.stats().attributedBytes.cgroup, 0)
  })
}

t.test('where no memory is left the node takes what no workload can, and sums by node are exact', async (t) => {
  const series = store(scarceMemory(2))
  series.begin(1)
  for (let count = 0; count < 200; count++) {
    series.add(flow({ workload: `w${count}`, pod: `p${count}`, port: `${count}` }, { sentBytes: 1, opened: 1 }))
  }
  await series.commit(0)
  const { flows, containers } = series.snapshot(0)
  t.equal(sent(flows), 200)
  t.equal(sent(containers), 200)
  t.ok(flows.rows.length < 66 && containers.rows.length < 66)
  for (const { rows, labelNames } of [flows, containers]) {
    const node = rows.filter(({ labels }) => labels.every((label, at) => label === (labelNames[at] === 'peer_kind' ? 'overflow' : '')))
    t.equal(node.length, 1)
  }
  t.ok(series.stats().seriesOverflow > 100)
})

t.test('labels that the ledger cannot keep are counted under the node', async (t) => {
  const series = store(keptMemory())
  series.begin(1)
  series.add(flow({ workload: 'x'.repeat(5000) }, { sentBytes: 3 }))
  series.add(flow({ workload: 'half \ud800' }, { sentBytes: 4 }))
  await series.commit(0)
  const { flows, containers } = series.snapshot(0)
  t.equal(sent(flows), 7)
  t.equal(sent(containers), 7)
  t.equal(flows.rows.length + containers.rows.length, 2)
})

t.test('where a commit fails this process goes no further', async (t) => {
  const failing = { clock: false }
  const now = (): number => {
    if (failing.clock) throw new Error('no clock')
    return 0
  }
  const series = store(keptMemory(), { now })
  series.begin(1)
  failing.clock = true
  await t.rejects(series.commit(0), /no clock/)
  t.throws(() => series.begin(1), /has failed/)
  t.throws(() => series.snapshot(0), /committed/)
})

t.test('while a big commit lets others have their turn, the store does nothing else', async (t) => {
  const memory = createProcessMemory()
  const series = store(memory)
  const gap = series.counter('gap seconds')
  series.begin(1)
  for (let port = 0; port < 3000; port++) series.add(flow({ port: `${port}` }, { sentBytes: 1 }))
  let turns = 0
  const everyTurn = (): void => {
    turns++
    turn = setImmediate(everyTurn)
  }
  let turn = setImmediate(everyTurn)
  t.teardown(() => clearImmediate(turn))
  const committed = series.commit(0)
  const refusals = (): void => {
    t.throws(() => series.add(flow({}, { sentBytes: 1 })))
    t.throws(() => series.addHealth(health({}, { receiveDrops: 1 })))
    t.throws(() => series.begin(2), /under way/)
    t.throws(() => series.snapshot(0), /committed/)
    t.throws(() => gap.add(1))
    t.throws(() => gap.set(1))
  }
  refusals()
  await t.rejects(series.commit(0))
  await new Promise((resolve) => setImmediate(resolve))
  t.equal(series.drains().committed.number, 0, 'it is not over')
  refusals()
  await committed
  t.ok(turns > 1, `${turns} turns`)
  t.equal(series.drains().committed.number, 1)
  t.equal(sent(series.snapshot(0).flows), 3000)
  series.begin(2)
  series.add(flow({}, { sentBytes: 1 }))
  await series.commit(0)
  t.equal(sent(series.snapshot(0).flows), 3001)
})
