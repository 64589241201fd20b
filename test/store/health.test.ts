import t from 'tap'
import { CONNECT_FAILURES, FLOW_LABELS, type FlowLabelName, TIME_BUCKETS } from '../../src/metrics.ts'
import type { FlowLabels, ResolvedHealth, SeriesTable, Snapshot } from '../../src/model.ts'
import type { LedgerMemory } from '../../src/store/ledger-memory.ts'
import { createStore, type Store, type StoreOptions } from '../../src/store/store.ts'
import { flow, health, SOUND, times } from './flows.ts'
import { seeded } from './histories.ts'
import { copyOf, keptMemory, scarceMemory } from './kept-memory.ts'

const ALL: readonly FlowLabelName[] = [...FLOW_LABELS, 'direction']

function store(options: Partial<StoreOptions> = {}): Store {
  return createStore({ flowLabels: ALL, seriesLimit: 50_000, seriesIdleMs: 100, now: () => 0, startMs: 1000, ...options })
}

async function shot(series: Store, nowMs = 0): Promise<Snapshot> {
  await series.commit(nowMs)
  return series.snapshot(nowMs)
}

function tableOf({ health }: Snapshot, name: string): SeriesTable {
  return health.find(({ columns }) => columns.some(({ metric }) => metric.name === name)) as SeriesTable
}

/** Labels and numbers of each row of one metric. */
function rowsOf(snapshot: Snapshot, name: string): { labels: Record<string, string>; values: number[]; startMs: number }[] {
  const { rows, columns, values, labelNames } = tableOf(snapshot, name)
  return rows.map(({ labels, startMs }, row) => ({
    labels: Object.fromEntries(labelNames.map((name, at) => [name, labels[at] ?? '?'])),
    values: columns.flatMap(({ metric }, column) => (metric.name === name ? [values[row * columns.length + column] as number] : [])),
    startMs,
  }))
}

const FAILED = 'orb8_tcp_connect_failures_total'
const RTT = 'orb8_tcp_rtt_seconds'
const CONNECT = 'orb8_tcp_connect_seconds'
const OVERFLOWS = 'orb8_tcp_listen_overflows_total'
const DROPS = 'orb8_udp_receive_drops_total'
const EVERY = [FAILED, RTT, CONNECT, OVERFLOWS, DROPS]

const TIME_OWNER = { namespace: 'shop', pod: '', container: '', workload: 'web', workload_kind: 'Deployment' }
const refused = (count: number): number[] => SOUND.failed.with(0, count)

t.test('failures are published by reason, under the labels of their flow', async (t) => {
  const series = store()
  series.addHealth(health({}, { failed: [1, 2, 3, 4, 5, 6] }))
  series.addHealth(health({}, { failed: [10, 0, 0, 0, 0, 0] }))
  const snapshot = await shot(series, 2000)
  t.same(
    tableOf(snapshot, FAILED).columns.map(({ labelName, labelValue }) => [labelName, labelValue]),
    CONNECT_FAILURES.map((reason) => ['reason', reason]),
  )
  const [row, ...rest] = rowsOf(snapshot, FAILED)
  t.same(rest, [])
  t.same(row?.values, [11, 2, 3, 4, 5, 6])
  t.match(row?.labels, { pod: 'web-1', port: '5432', peer_workload: 'postgres' })
  t.same(Object.keys(row?.labels ?? {}), [...FLOW_LABELS])
  t.equal(row?.startMs, 1000)
})

t.test('failures obey the labels that were chosen for flows, times and drops do not', async (t) => {
  const series = store({ flowLabels: ['workload', 'peer_kind'] })
  for (const port of ['1', '2']) {
    series.addHealth(health({ port }, { failed: refused(1), rtt: times(3, 0.5), receiveDrops: 1 }))
  }
  const snapshot = await shot(series)
  t.same(rowsOf(snapshot, FAILED)[0]?.labels, { namespace: '', pod: '', container: '', workload: 'web', peer_kind: 'pod' })
  t.same(rowsOf(snapshot, RTT)[0]?.labels, { ...TIME_OWNER, role: 'client', peer_kind: 'pod' })
  t.same(rowsOf(snapshot, DROPS)[0]?.labels, { ...TIME_OWNER, pod: 'web-1', container: 'nginx' })
  for (const name of EVERY) t.equal(rowsOf(snapshot, name).length, name === CONNECT ? 0 : 1)
})

t.test('times are counted bucket by bucket, of all flows of one workload, role and kind of peer together', async (t) => {
  const series = store()
  series.addHealth(health({ port: '1', pod: 'web-1' }, { rtt: times(0, 0.000_01, 0.000_015), connect: times(11, 20) }))
  series.addHealth(health({ port: '2', pod: 'web-2' }, { rtt: times(5, 0.01) }))
  series.addHealth(health({ role: 'server' }, { rtt: times(5, 0.01) }))
  const snapshot = await shot(series)
  t.same(
    tableOf(snapshot, RTT).columns.map(({ bound }) => bound),
    [...TIME_BUCKETS, Number.POSITIVE_INFINITY, undefined],
  )
  const rows = rowsOf(snapshot, RTT)
  t.same(
    rows.map(({ labels }) => labels),
    [
      { ...TIME_OWNER, role: 'client', peer_kind: 'pod' },
      { ...TIME_OWNER, role: 'server', peer_kind: 'pod' },
    ],
  )
  t.same(rows[0]?.values, [2, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0.000_01 + 0.000_015 + 0.01])
  t.same(rowsOf(snapshot, CONNECT)[0]?.values, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 20])
})

t.test('drops are counted by container, whatever the peer', async (t) => {
  const series = store()
  series.addHealth(health({ port: '1' }, { listenOverflows: 2 }))
  series.addHealth(health({ port: '2', protocol: 'udp', peerKind: 'external' }, { receiveDrops: 3 }))
  series.addHealth(health({ pod: 'web-2' }, { receiveDrops: 4 }))
  const snapshot = await shot(series)
  t.same(
    [OVERFLOWS, DROPS].map((name) => rowsOf(snapshot, name).map(({ labels, values }) => [labels.pod, ...values])),
    [
      [
        ['web-1', 2],
        ['web-2', 0],
      ],
      [
        ['web-1', 3],
        ['web-2', 4],
      ],
    ],
  )
  t.equal(series.stats().series, 0, 'outside the limit')
})

t.test('health in which nothing was seen makes no series, needs no drain, and keeps none alive', async (t) => {
  let nowMs = 0
  const series = store({ memory: keptMemory(), now: () => nowMs })
  series.addHealth(health({}, {}))
  series.begin(1)
  series.addHealth(health({}, { failed: refused(1) }))
  t.throws(() => series.snapshot(0), /committed/)
  await shot(series)
  t.throws(() => series.addHealth(health({}, { failed: refused(1) })), /outside a drain/)
  nowMs = 100
  series.begin(2)
  series.addHealth(health({}, {}))
  const snapshot = await shot(series)
  for (const name of EVERY) t.same(rowsOf(snapshot, name), [])
  t.equal(series.stats().series, 0, 'the room is given back')
})

t.test('flows, failures and times share one limit; what finds no room is added to the workload’s other', async (t) => {
  const series = store({ seriesLimit: 8 + 6 + 14 })
  series.add(flow({}, { sentBytes: 1 }))
  series.addHealth(health({}, { failed: refused(1), rtt: times(0, 1) }))
  await shot(series)
  t.equal(series.stats().series, 28)
  series.addHealth(health({}, { failed: refused(1), rtt: times(0, 1) }))
  t.equal(series.stats().seriesOverflow, 0)
  series.addHealth(health({ port: '1' }, { failed: refused(10), connect: times(2, 3), receiveDrops: 5 }))
  series.addHealth(health({ port: '2', role: 'server' }, { failed: refused(100), rtt: times(1, 2) }))
  series.add(flow({ port: '3' }, { sentBytes: 1 }))
  const snapshot = await shot(series)
  t.same(series.stats(), { ...series.stats(), series: 28, seriesOverflow: 3 })
  const other = { role: 'unknown', peer_kind: 'other' }
  const [own, wide] = rowsOf(snapshot, FAILED)
  t.equal(own?.values[0], 2)
  t.match(wide, { labels: { ...other, workload: 'web', pod: 'web-1', port: '0', peer_workload: '' }, values: [110] })
  const [rtt, wideRtt] = rowsOf(snapshot, RTT)
  t.match(rtt, { values: [2] })
  t.match(wideRtt, { labels: { ...TIME_OWNER, ...other }, values: [0, 1] })
  t.match(rowsOf(snapshot, CONNECT), [{ labels: { ...TIME_OWNER, ...other }, values: [0, 0, 1] }])
  t.equal(rowsOf(snapshot, DROPS)[0]?.values[0], 5)
})

t.test('overflow entries of the kernel stand outside the limit', async (t) => {
  const series = store({ seriesLimit: 1 })
  const overflow = { role: 'unknown', port: '0', peerKind: 'overflow', peerNamespace: '', peerWorkload: '', peerZone: '' } as const
  const nobody = { namespace: '', pod: '', container: '', workload: '', workloadKind: '', role: '', protocol: '', port: '' } as const
  series.addHealth(health(overflow, { failed: refused(1), rtt: times(0, 1), connect: times(0, 1) }))
  series.addHealth(health({ ...overflow, ...nobody }, { failed: refused(2), rtt: times(0, 1), connect: times(0, 1), receiveDrops: 1 }))
  const snapshot = await shot(series)
  t.same(
    rowsOf(snapshot, FAILED).map(({ labels, values }) => [labels.workload, labels.peer_kind, values[0]]),
    [
      ['web', 'overflow', 1],
      ['', 'overflow', 2],
    ],
  )
  t.equal(rowsOf(snapshot, RTT).length, 2)
  t.match(series.stats(), { series: 0, seriesOverflow: 0 })
})

t.test('room that a series leaves is used by one that was in other', async (t) => {
  let nowMs = 0
  const series = store({ seriesLimit: 6, now: () => nowMs })
  const second = health({ port: '2' }, { failed: refused(10) })
  series.addHealth(health({ port: '1' }, { failed: refused(1) }))
  series.addHealth(second)
  await shot(series)
  nowMs = 60
  series.addHealth(second)
  await shot(series)
  nowMs = 100
  await shot(series)
  series.addHealth(second)
  t.match(rowsOf(await shot(series), FAILED), [
    { labels: { peer_kind: 'other', port: '0' }, values: [20] },
    { labels: { peer_kind: 'pod', port: '2' }, values: [10] },
  ])
  t.match(series.stats(), { series: 6, seriesOverflow: 2 })
})

t.test('a series that left and comes back starts at 0 with a new start', async (t) => {
  let nowMs = 0
  const series = store({ now: () => nowMs })
  const same = health({}, { failed: refused(1), rtt: times(0, 1), connect: times(0, 1), receiveDrops: 1 })
  series.addHealth(same)
  await shot(series, 10_000)
  nowMs = 100
  const gone = await shot(series, 30_000)
  for (const { rows } of gone.health) t.equal(rows.length, 0)
  series.addHealth(same)
  const back = await shot(series, 40_000)
  for (const name of [FAILED, RTT, CONNECT, DROPS]) {
    t.match(rowsOf(back, name), [{ values: [1], startMs: 30_000 }], name)
  }
})

t.test('where no memory is left the node takes it, and sums are exact', async (t) => {
  const series = store({ memory: scarceMemory(1) })
  series.begin(1)
  for (let count = 0; count < 100; count++) {
    const seen = { failed: refused(1), rtt: times(4, 1), connect: times(4, 1), receiveDrops: 1 }
    series.addHealth(health({ workload: `w${count}`, pod: `p${count}` }, seen))
  }
  const snapshot = await shot(series)
  for (const name of [FAILED, RTT, CONNECT, DROPS]) {
    const rows = rowsOf(snapshot, name)
    t.equal(
      rows.reduce((sum, { values }) => sum + (values[name === RTT || name === CONNECT ? 4 : 0] ?? 0), 0),
      100,
      name,
    )
    t.match(
      rows.filter(({ labels }) => labels.workload === ''),
      [{ values: [] }],
    )
  }
})

t.test('random health at any limit: sums by workload are exact, nothing falls, and the limit holds', async (t) => {
  for (const seriesLimit of [1, 20, 100, 100_000]) {
    for (let seed = 1; seed <= 6; seed++) {
      const found = await faultsOfRandomHealth(seeded(seed * 77 + seriesLimit), seriesLimit)
      t.same(found, [], `limit ${seriesLimit}, seed ${seed}`)
    }
  }
})

/** Many processes, one after the other, on one ledger. */
async function faultsOfRandomHealth(random: (below: number) => number, seriesLimit: number): Promise<string[]> {
  const found: string[] = []
  const added: ResolvedHealth[] = []
  const shown = new Map<number, readonly number[]>()
  let memory: LedgerMemory = keptMemory()
  for (let round = 1; round <= 10; round++) {
    memory = copyOf(memory)
    const series = store({ memory, seriesLimit })
    series.begin(round)
    for (let count = random(30); count > 0; count--) {
      const seen = randomHealth(random)
      series.addHealth(seen)
      added.push(seen)
    }
    const snapshot = await shot(series)
    let lines = 0
    for (const table of snapshot.health) {
      const width = table.columns.length
      const perRow = width + (table.columns[0]?.bound === undefined ? 0 : 1)
      const kind = table.labelNames.indexOf('peer_kind')
      lines += perRow * table.rows.filter(({ labels }) => kind >= 0 && !['other', 'overflow'].includes(labels[kind] ?? '')).length
      for (const [at, { id }] of table.rows.entries()) {
        const values = [...table.values.subarray(at * width, (at + 1) * width)]
        if ((shown.get(id) ?? []).some((before, column) => before > (values[column] ?? 0))) found.push(`row ${id} fell`)
        shown.set(id, values)
      }
    }
    if (lines > seriesLimit || lines !== series.stats().series) found.push(`${lines} lines, said to be ${series.stats().series}`)
    found.push(...sumFaults(snapshot, added))
  }
  return found
}

function randomHealth(random: (below: number) => number): ResolvedHealth {
  const workload = `w${random(3)}`
  const peerKind = (['pod', 'external', 'overflow'] as const)[random(3)] ?? 'pod'
  const labels: Partial<FlowLabels> = { workload, pod: `${workload}-${random(2)}`, port: `${random(5)}`, peerKind }
  const some = () => (random(2) === 0 ? times(random(12), ...Array.from({ length: random(4) }, () => random(64) / 64)) : SOUND.rtt)
  const failed = SOUND.failed.map(() => (random(3) === 0 ? random(5) : 0))
  return health(labels, { failed, rtt: some(), connect: some(), listenOverflows: random(2), receiveDrops: random(2) })
}

function sumFaults(snapshot: Snapshot, added: readonly ResolvedHealth[]): string[] {
  const parts: Record<string, (seen: ResolvedHealth['health']) => readonly number[]> = {
    [FAILED]: ({ failed }) => failed,
    [RTT]: ({ rtt }) => [...rtt.buckets, rtt.sum],
    [CONNECT]: ({ connect }) => [...connect.buckets, connect.sum],
    [OVERFLOWS]: ({ listenOverflows }) => [listenOverflows],
    [DROPS]: ({ receiveDrops }) => [receiveDrops],
  }
  const total = (all: readonly (readonly number[])[]): number[] =>
    all.reduce<number[]>((sums, numbers) => numbers.map((number, at) => (sums[at] ?? 0) + number), [])
  return Object.entries(parts).flatMap(([name, part]) =>
    ['w0', 'w1', 'w2'].flatMap((workload) => {
      const published = total(
        rowsOf(snapshot, name)
          .filter(({ labels }) => labels.workload === workload)
          .map(({ values }) => values),
      )
      const counted = total(added.filter(({ labels }) => labels.workload === workload).map(({ health }) => part(health)))
      // Where none of it was ever above 0 there may be no row.
      const same = counted.every((number, at) => number === (published[at] ?? 0))
      return same ? [] : [`${name} of ${workload}: ${published}, not ${counted}`]
    }),
  )
}
