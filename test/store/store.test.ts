import t from 'tap'
import { FLOW_LABELS, type FlowLabelName } from '../../src/metrics.ts'
import type { FlowCounts, FlowLabels, ResolvedFlow, SeriesTable, Snapshot } from '../../src/model.ts'
import { createStore, type Store, type StoreOptions } from '../../src/store/store.ts'
import { flow, LABELS, NOTHING } from './flows.ts'

const ALL: readonly FlowLabelName[] = [...FLOW_LABELS, 'direction']
const DEFAULT = ALL.filter((name) => name !== 'pod' && name !== 'container')

function store(options: Partial<StoreOptions> = {}) {
  return createStore({ flowLabels: DEFAULT, seriesLimit: 50_000, seriesIdleMs: 3_600_000, now: () => 0, startMs: 1000, ...options })
}

/** All that was added, as it is published. */
async function shot(series: Store, nowMs: number): Promise<Snapshot> {
  await series.commit(nowMs)
  return series.snapshot(nowMs)
}

interface Line {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
  readonly row: number
  readonly startMs: number
}

const written = new WeakMap<SeriesTable, readonly Line[]>()

/** What a publisher would write. */
function lines(table: SeriesTable): readonly Line[] {
  const known = written.get(table)
  if (known !== undefined) return known
  const made = table.rows.flatMap((row, index) =>
    table.columns.flatMap((column, at) => {
      if (column.tcpOnly && table.tcp[index] === 0) return []
      const labels = Object.fromEntries(table.labelNames.map((name, place) => [name, row.labels[place] ?? '?']))
      if (column.labelName !== undefined) labels[column.labelName] = column.labelValue ?? '?'
      const value = table.values[index * table.columns.length + at] ?? Number.NaN
      return [{ name: column.metric.name, labels, value, row: row.id, startMs: row.startMs }]
    }),
  )
  written.set(table, made)
  return made
}

function sum(table: SeriesTable, name: string, where: Readonly<Record<string, string>> = {}): number {
  return lines(table)
    .filter((line) => line.name === name && Object.entries(where).every(([label, value]) => line.labels[label] === value))
    .reduce((total, line) => total + line.value, 0)
}

t.test('a flow is published under its labels, pod and container left empty unless chosen', async (t) => {
  const series = store()
  series.add(flow({}, { sentBytes: 10, receivedBytes: 20, sentPackets: 3, receivedPackets: 4, opened: 2, closed: 1, retransmitted: 5 }))
  const { flows, containers, timeMs } = await shot(series, 2000)
  t.equal(timeMs, 2000)
  const common = { namespace: 'shop', workload: 'web', workload_kind: 'Deployment', protocol: 'tcp', peer_kind: 'pod' }
  const far = { role: 'client', port: '5432', peer_namespace: 'data', peer_workload: 'postgres', peer_zone: 'z1' }
  const labels = { ...common, pod: '', container: '', ...far }
  t.same(
    lines(flows).map((line) => [line.name, line.labels, line.value]),
    [
      ['orb8_flow_bytes_total', { ...labels, direction: 'egress' }, 10],
      ['orb8_flow_bytes_total', { ...labels, direction: 'ingress' }, 20],
      ['orb8_flow_packets_total', { ...labels, direction: 'egress' }, 3],
      ['orb8_flow_packets_total', { ...labels, direction: 'ingress' }, 4],
      ['orb8_active_flows', labels, 1],
      ['orb8_tcp_connections_opened_total', labels, 2],
      ['orb8_tcp_connections_closed_total', labels, 1],
      ['orb8_tcp_retransmitted_segments_total', labels, 5],
    ],
  )
  const owner = { ...common, pod: 'web-1', container: 'nginx' }
  t.same(
    lines(containers).map((line) => [line.name, line.labels, line.value]),
    [
      ['orb8_container_network_bytes_total', { ...owner, direction: 'egress' }, 10],
      ['orb8_container_network_bytes_total', { ...owner, direction: 'ingress' }, 20],
      ['orb8_container_network_packets_total', { ...owner, direction: 'egress' }, 3],
      ['orb8_container_network_packets_total', { ...owner, direction: 'ingress' }, 4],
    ],
  )
})

t.test('a UDP flow has no samples of TCP, unless protocols are summed', async (t) => {
  const names = async (flowLabels: readonly FlowLabelName[]) => {
    const series = store({ flowLabels })
    series.add(flow({ protocol: 'udp' }, { sentBytes: 1 }))
    series.add(flow({ protocol: 'tcp', port: '1' }, { sentBytes: 1, opened: 1 }))
    return lines((await shot(series, 0)).flows).length
  }
  t.equal(await names(DEFAULT), 4 + 8)
  t.equal(await names(['workload']), 6)
})

t.test('flows that differ only in labels summed away share a row', async (t) => {
  const series = store({ flowLabels: ['workload', 'peer_kind'] })
  series.add(flow({ port: '1' }, { sentBytes: 1, receivedBytes: 2 }))
  series.add(flow({ port: '2', pod: 'web-2', protocol: 'udp' }, { sentBytes: 10 }))
  const { flows, containers } = await shot(series, 0)
  t.equal(flows.rows.length, 1)
  t.equal(sum(flows, 'orb8_flow_bytes_total', { workload: 'web', peer_kind: 'pod', namespace: '' }), 13)
  t.equal(containers.rows.length, 2)
})

t.test('a series starts at the end of the collection before its first', async (t) => {
  const series = store({ startMs: 1000 })
  series.add(flow({ port: '1' }, { sentBytes: 1 }))
  await shot(series, 2000)
  series.add(flow({ port: '2' }, { sentBytes: 1 }))
  const { flows } = await shot(series, 3000)
  t.same(
    flows.rows.map((row) => row.startMs),
    [1000, 2000],
  )
})

t.test('ids are of one row alone, in both tables and after expiry', async (t) => {
  const series = store({ seriesIdleMs: 0 })
  const seen = new Set<number>()
  let rows = 0
  for (let round = 0; round < 6; round++) {
    if (round % 2 === 0) series.add(flow({}, { sentBytes: 1 }))
    const { flows, containers } = await shot(series, round)
    for (const row of [...flows.rows, ...containers.rows]) {
      seen.add(row.id)
      rows++
    }
  }
  t.equal(rows, 6)
  t.equal(seen.size, 6)
})

t.test('a snapshot does not change with what comes after it', async (t) => {
  const series = store({ seriesIdleMs: 0 })
  series.add(flow({}, { sentBytes: 1 }))
  const snapshot = await shot(series, 1)
  const before = structuredClone({ flows: snapshot.flows, containers: snapshot.containers })
  series.add(flow({}, { sentBytes: 1 }))
  series.add(flow({ port: '9' }, { sentBytes: 1 }))
  await shot(series, 2)
  await shot(series, 3)
  t.same({ flows: snapshot.flows, containers: snapshot.containers }, before)
})

t.test('a byte that the kernel takes back at close does not make a counter fall', async (t) => {
  const series = store()
  series.add(flow({}, { receivedBytes: 51, opened: 1 }))
  const received = (snapshot: Snapshot) => [
    sum(snapshot.flows, 'orb8_flow_bytes_total', { direction: 'ingress' }),
    sum(snapshot.containers, 'orb8_container_network_bytes_total', { direction: 'ingress' }),
  ]
  t.same(received(await shot(series, 1)), [51, 51])
  series.add(flow({}, { receivedBytes: -1, closed: 1 }))
  t.same(received(await shot(series, 2)), [51, 51])
  series.add(flow({}, { receivedBytes: 50, opened: 1 }))
  t.same(received(await shot(series, 3)), [100, 100])
})

t.test('past the limit a flow is added to its workload, with peer_kind other, and counted', async (t) => {
  const series = store({ seriesLimit: 8 })
  series.add(flow({ port: '1' }, { sentBytes: 1 }))
  const second = flow({ port: '2' }, { sentBytes: 10 })
  series.add(second)
  series.add(flow({ port: '3', role: 'server' }, { sentBytes: 100 }))
  series.add(flow({ port: '4', protocol: 'udp' }, { sentBytes: 1000 }))
  series.add(flow({ port: '1', workload: 'batch' }, { sentBytes: 10_000 }))
  const { flows } = await shot(series, 0)
  const other = { role: 'unknown', port: '0', peer_kind: 'other', peer_namespace: '', peer_workload: '', peer_zone: '' }
  t.equal(sum(flows, 'orb8_flow_bytes_total', { ...other, namespace: 'shop', workload: 'web', protocol: 'tcp' }), 110)
  t.equal(sum(flows, 'orb8_flow_bytes_total', { ...other, workload: 'web', protocol: 'udp' }), 1000)
  t.equal(sum(flows, 'orb8_flow_bytes_total', { ...other, workload: 'batch' }), 10_000)
  t.equal(sum(flows, 'orb8_flow_bytes_total', { port: '1' }), 1)
  t.equal(series.stats().series, 8)
  t.equal(series.stats().seriesOverflow, 4)
  series.add(second)
  t.equal(series.stats().seriesOverflow, 5)
})

t.test('a limit of 1 leaves every flow in other', async (t) => {
  const series = store({ seriesLimit: 1 })
  for (let port = 0; port < 50; port++)
    series.add(flow({ port: `${port}`, peerWorkload: `w${port}` }, { sentBytes: 1, opened: 1, closed: 1 }))
  const { flows, containers } = await shot(series, 0)
  t.equal(flows.rows.length, 1)
  t.equal(sum(flows, 'orb8_flow_bytes_total', { peer_kind: 'other' }), 50)
  t.equal(sum(containers, 'orb8_container_network_bytes_total', { peer_kind: 'pod', pod: 'web-1' }), 50)
  t.equal(series.stats().series, 0)
})

t.test('overflow rows and container totals stand outside the limit', async (t) => {
  const series = store({ seriesLimit: 1 })
  const overflow = { role: 'unknown', port: '0', peerKind: 'overflow', peerNamespace: '', peerWorkload: '', peerZone: '' } as const
  series.add(flow(overflow, { sentBytes: 5 }))
  series.add(flow({ ...overflow, namespace: '', pod: '', container: '', workload: '', workloadKind: '', protocol: '' }, { opened: 2 }))
  const { flows } = await shot(series, 0)
  t.equal(sum(flows, 'orb8_flow_bytes_total', { peer_kind: 'overflow', workload: 'web' }), 5)
  t.equal(sum(flows, 'orb8_active_flows', { peer_kind: 'overflow', workload: '' }), 2)
  t.same(series.stats(), { series: 0, seriesOverflow: 0, attributedBytes: { cgroup: 5, pod_ip: 0, host: 0, none: 0 } })
})

t.test('where no label tells peers apart, a row per workload stands outside the limit and is no overflow', async (t) => {
  const series = store({ flowLabels: ['workload'], seriesLimit: 1 })
  series.add(flow({}, { sentBytes: 1 }))
  series.add(flow({ workload: 'batch' }, { sentBytes: 2 }))
  t.equal(sum((await shot(series, 0)).flows, 'orb8_flow_bytes_total', { workload: 'batch' }), 2)
  t.equal(series.stats().seriesOverflow, 0)
})

t.test('an idle series leaves, and one that comes back starts at 0 with a new start', async (t) => {
  let nowMs = 0
  const series = store({ seriesIdleMs: 100, now: () => nowMs })
  const same = flow({}, { sentBytes: 7 })
  series.add(same)
  const first = (await shot(series, 10_000)).flows.rows[0]
  nowMs = 99
  t.equal((await shot(series, 20_000)).flows.rows.length, 1)
  nowMs = 100
  const gone = await shot(series, 30_000)
  t.equal(gone.flows.rows.length + gone.containers.rows.length, 0)
  t.equal(series.stats().series, 0)
  series.add(same)
  const back = await shot(series, 40_000)
  t.equal(sum(back.flows, 'orb8_flow_bytes_total'), 7)
  t.equal(sum(back.containers, 'orb8_container_network_bytes_total'), 7)
  t.not(back.flows.rows[0]?.id, first?.id)
  t.equal(back.flows.rows[0]?.startMs, 30_000)
})

t.test('a wall clock that jumps lets nothing leave', async (t) => {
  const series = store({ seriesIdleMs: 100, now: () => 0 })
  series.add(flow({}, { sentBytes: 7 }))
  await shot(series, 0)
  t.equal((await shot(series, 1e12)).flows.rows.length, 1)
  t.equal((await shot(series, -1e12)).flows.rows.length, 1)
})

t.test('a flow that did nothing makes no series and keeps none', async (t) => {
  let nowMs = 0
  const series = store({ seriesIdleMs: 100, now: () => nowMs })
  series.add(flow({ port: '1' }, { sentBytes: 1 }))
  series.add(flow({ port: '2' }, {}))
  t.equal((await shot(series, 0)).flows.rows.length, 1)
  nowMs = 100
  series.add(flow({ port: '1' }, {}))
  t.equal((await shot(series, 0)).flows.rows.length, 0)
})

t.test('neither a series nor its container leaves while a connection is open', async (t) => {
  let nowMs = 0
  const series = store({ seriesIdleMs: 100, now: () => nowMs })
  series.add(flow({}, { adopted: 1 }))
  await shot(series, 0)
  nowMs = 1e6
  const still = await shot(series, 0)
  t.equal(still.flows.rows.length, 1)
  t.equal(still.containers.rows.length, 1)
  series.add(flow({}, { closed: 1 }))
  t.equal(sum((await shot(series, 0)).flows, 'orb8_active_flows'), 0)
  nowMs += 100
  const left = await shot(series, 0)
  t.equal(left.flows.rows.length + left.containers.rows.length, 0)
})

t.test('room that a series leaves is used by a flow that was in other, and nothing is counted twice', async (t) => {
  let nowMs = 0
  const series = store({ seriesLimit: 8, seriesIdleMs: 100, now: () => nowMs })
  const first = flow({ port: '1' }, { sentBytes: 1 })
  const second = flow({ port: '2' }, { sentBytes: 10 })
  series.add(first)
  series.add(second)
  await shot(series, 0)
  nowMs = 60
  series.add(second)
  await shot(series, 0)
  nowMs = 100
  await shot(series, 0)
  series.add(second)
  const { flows, containers } = await shot(series, 0)
  t.equal(sum(flows, 'orb8_flow_bytes_total', { peer_kind: 'other' }), 20)
  t.equal(sum(flows, 'orb8_flow_bytes_total', { port: '2' }), 10)
  t.equal(sum(containers, 'orb8_container_network_bytes_total'), 31)
  t.equal(series.stats().seriesOverflow, 2)
})

t.test('a connection opened in other and closed in its own series is open nowhere', async (t) => {
  let nowMs = 0
  const series = store({ seriesLimit: 8, seriesIdleMs: 100, now: () => nowMs })
  series.add(flow({ port: '1' }, { sentBytes: 1 }))
  series.add(flow({ port: '2' }, { opened: 2 }))
  t.equal(sum((await shot(series, 0)).flows, 'orb8_active_flows', { peer_kind: 'other' }), 2)
  nowMs = 100
  await shot(series, 0)
  series.add(flow({ port: '2' }, { closed: 1 }))
  const { flows } = await shot(series, 0)
  t.equal(sum(flows, 'orb8_active_flows', { peer_kind: 'other' }), 1)
  t.equal(sum(flows, 'orb8_active_flows', { port: '2' }), 0)
  t.equal(sum(flows, 'orb8_tcp_connections_closed_total', { port: '2' }), 1)
})

t.test('a connection whose close found no room in the kernel is open nowhere, and its series leaves', async (t) => {
  let nowMs = 0
  const series = store({ seriesIdleMs: 100, now: () => nowMs })
  series.add(flow({}, { opened: 1 }))
  await shot(series, 0)
  series.add(flow({ peerKind: 'overflow', role: 'unknown', port: '0', peerNamespace: '', peerWorkload: '', peerZone: '' }, { closed: 1 }))
  t.equal(sum((await shot(series, 0)).flows, 'orb8_active_flows'), 0)
  nowMs = 100
  const left = await shot(series, 0)
  t.equal(left.flows.rows.length + left.containers.rows.length, 0)
})

t.test('a connection whose container lost its name before it closed is open nowhere', async (t) => {
  const series = store()
  series.add(flow({ workload: 'busy' }, { opened: 1 }))
  series.add(flow({ port: '1' }, { opened: 1 }))
  series.add(flow({}, { opened: 1 }))
  await shot(series, 0)
  series.add(flow({ workload: 'busy' }, { sentBytes: 1 }))
  series.add(flow({ namespace: '', pod: '', container: '', workload: '', workloadKind: '' }, { closed: 1 }))
  const { flows } = await shot(series, 0)
  t.equal(sum(flows, 'orb8_active_flows'), 2)
  t.equal(sum(flows, 'orb8_active_flows', { workload: 'web', port: '5432' }), 0)
  t.equal(sum(flows, 'orb8_active_flows', { workload: 'busy' }), 1)
})

t.test('a close whose open nobody saw shows no connection, rather than less than none', async (t) => {
  const series = store()
  series.add(flow({}, { closed: 1 }))
  t.equal(sum((await shot(series, 0)).flows, 'orb8_active_flows'), 0)
})

t.test('a close that is added before its open, within one collection, takes nothing from anybody', async (t) => {
  const series = store()
  series.add(flow({ port: '1' }, { opened: 1 }))
  await shot(series, 0)
  series.add(flow({ port: '2' }, { closed: 1 }))
  series.add(flow({ port: '2' }, { opened: 1 }))
  const { flows } = await shot(series, 0)
  t.equal(sum(flows, 'orb8_active_flows', { port: '1' }), 1)
  t.equal(sum(flows, 'orb8_active_flows', { port: '2' }), 0)
})

/** mulberry32: the same rounds in every run. */
function seeded(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296) * below)
  }
}

const COUNTERS = {
  orb8_flow_bytes_total: (counts: FlowCounts) => counts.sentBytes + counts.receivedBytes,
  orb8_flow_packets_total: (counts: FlowCounts) => counts.sentPackets + counts.receivedPackets,
  orb8_tcp_connections_opened_total: (counts: FlowCounts) => counts.opened,
  orb8_tcp_connections_closed_total: (counts: FlowCounts) => counts.closed,
  orb8_tcp_retransmitted_segments_total: (counts: FlowCounts) => counts.retransmitted,
}

/**
 * A made-up node: random flows, also to `overflow`, connections that close in another row than they opened in, and now and then
 * an object of labels in place of an equal one. Tells what was added.
 */
function madeUpNode(random: (below: number) => number) {
  const kinds = ['pod', 'service', 'external', 'unknown', 'overflow'] as const
  const known: FlowLabels[] = []
  const openBy = new Map<string, number>()
  const ownerOf = (labels: FlowLabels) => `${labels.workload} ${labels.pod}`

  function labels(): FlowLabels {
    if (known.length > 0 && random(3) > 0) {
      const old = known[random(known.length)] ?? LABELS
      return random(4) === 0 ? { ...old } : old
    }
    const workload = random(4)
    const peerKind = kinds[random(kinds.length)] ?? 'pod'
    const tcp = random(3) > 0
    const common = { workload: `w${workload}`, pod: `w${workload}-${random(2)}`, protocol: tcp ? 'tcp' : 'udp', peerKind }
    const far = { port: `${random(12)}`, role: random(2) > 0 ? 'client' : 'server', peerWorkload: `p${random(6)}` } as const
    const nobody = { port: '0', role: 'unknown', peerWorkload: '', peerNamespace: '', peerZone: '' } as const
    const made = { ...LABELS, ...common, ...(peerKind === 'overflow' ? nobody : far) }
    known.push(made)
    return made
  }

  function next(): ResolvedFlow {
    const chosen = labels()
    const tcp = chosen.protocol === 'tcp'
    const open = openBy.get(ownerOf(chosen)) ?? 0
    const opened = tcp ? random(3) : 0
    const adopted = tcp && random(10) === 0 ? 1 : 0
    const closed = tcp ? random(Math.min(4, open + opened + adopted) + 1) : 0
    openBy.set(ownerOf(chosen), open + opened + adopted - closed)
    const bytes = () => (random(5) === 0 ? -random(3) : random(100_000))
    const counts = { sentBytes: bytes(), receivedBytes: bytes(), sentPackets: random(90), receivedPackets: random(90) }
    return { labels: chosen, attribution: 'cgroup', counts: { ...counts, opened, adopted, closed, retransmitted: tcp ? random(5) : 0 } }
  }

  const openOf = (workload: string) =>
    [...openBy].filter(([owner]) => owner.startsWith(`${workload} `)).reduce((total, [, open]) => total + open, 0)
  /** Makes up for what the kernel took back, so that nothing is owed. */
  const settling = (): ResolvedFlow[] =>
    known.map((labels) => ({ labels, attribution: 'cgroup', counts: { ...NOTHING, sentBytes: 1e6, receivedBytes: 1e6 } }))
  return { next, openOf, settling }
}

const SUBSETS: readonly (readonly FlowLabelName[])[] = [
  DEFAULT,
  ALL,
  ['workload', 'peer_kind', 'direction'],
  ['workload', 'protocol', 'port'],
  ['workload', 'protocol'],
  ['workload', 'role', 'peer_workload', 'protocol', 'peer_kind'],
]
const LIMITS = [1, 8, 20, 100, 100_000]

function outsideLimit(line: Line): boolean {
  const { role = 'unknown', port = '0', peer_kind = 'other', peer_namespace = '', peer_workload = '', peer_zone = '' } = line.labels
  const wide = role === 'unknown' && port === '0' && peer_kind === 'other' && peer_namespace + peer_workload + peer_zone === ''
  return wide || peer_kind === 'overflow'
}

/** What must hold of every snapshot, whatever came before; `shown` remembers the last value of each counter by its row. */
function faults(snapshot: Snapshot, limit: number, series: number, shown: Map<string, number>): string[] {
  const found: string[] = []
  for (const table of [snapshot.flows, snapshot.containers]) {
    const all = lines(table)
    const names = new Set(all.map((line) => line.name + JSON.stringify(line.labels)))
    if (names.size !== all.length) found.push('a series is written twice')
    if (all.some((line) => !(line.value >= 0))) found.push('a value is negative')
    for (const line of all) {
      if (line.name === 'orb8_active_flows') continue
      const key = `${line.row} ${line.name} ${line.labels.direction}`
      if (line.value < (shown.get(key) ?? 0)) found.push(`${key} fell`)
      shown.set(key, line.value)
    }
  }
  const limited = lines(snapshot.flows).filter((line) => !outsideLimit(line)).length
  if (limited > limit) found.push(`${limited} lines, limit ${limit}`)
  if (limited !== series) found.push(`${limited} lines, said to be ${series}`)
  return found
}

const WORKLOADS = ['w0', 'w1', 'w2', 'w3']

function openFaults(snapshot: Snapshot, openOf: (workload: string) => number): string[] {
  return WORKLOADS.flatMap((workload) => {
    const open = sum(snapshot.flows, 'orb8_active_flows', { workload })
    return open === openOf(workload) ? [] : [`at ${snapshot.timeMs}: ${open} open of ${workload}, not ${openOf(workload)}`]
  })
}

function total(flows: readonly ResolvedFlow[], of: (counts: FlowCounts) => number): number {
  return flows.reduce((sum, flow) => sum + of(flow.counts), 0)
}

function workloadFaults({ flows }: Snapshot, added: readonly ResolvedFlow[]): string[] {
  return Object.entries(COUNTERS).flatMap(([name, of]) =>
    WORKLOADS.flatMap((workload) => {
      const own = added.filter((flow) => flow.labels.workload === workload)
      return sum(flows, name, { workload }) === total(own, of) ? [] : [`${name} of ${workload} is not ${total(own, of)}`]
    }),
  )
}

function containerFaults({ containers }: Snapshot, added: readonly ResolvedFlow[]): string[] {
  const groups = Map.groupBy(added, ({ labels }) => `${labels.pod} ${labels.protocol} ${labels.peerKind}`)
  const found = groups.size === containers.rows.length ? [] : [`${containers.rows.length} container rows, not ${groups.size}`]
  for (const [group, own] of groups) {
    const [pod = '', protocol = '', peer_kind = ''] = group.split(' ')
    const counted = (metric: string, direction: string) =>
      sum(containers, `orb8_container_network_${metric}_total`, { pod, protocol, peer_kind, direction })
    if (counted('bytes', 'egress') !== total(own, (counts) => counts.sentBytes)) found.push(`${group}: sent bytes`)
    if (counted('bytes', 'ingress') !== total(own, (counts) => counts.receivedBytes)) found.push(`${group}: received bytes`)
    if (counted('packets', 'egress') !== total(own, (counts) => counts.sentPackets)) found.push(`${group}: sent packets`)
    if (counted('packets', 'ingress') !== total(own, (counts) => counts.receivedPackets)) found.push(`${group}: received packets`)
  }
  return found
}

for (const flowLabels of SUBSETS) {
  t.test(`random flows by ${flowLabels.join(' ')}: sums are exact and nothing falls, at any limit`, async (t) => {
    for (const limit of LIMITS) {
      for (let seed = 1; seed <= 8; seed++) {
        const random = seeded(seed * 1000 + limit)
        const node = madeUpNode(random)
        const series = store({ flowLabels, seriesLimit: limit })
        const shown = new Map<string, number>()
        const added: ResolvedFlow[] = []
        const found: string[] = []
        for (let round = 0; round < 12; round++) {
          const flows = round < 11 ? Array.from({ length: random(60) }, node.next) : node.settling()
          for (const flow of flows) series.add(flow)
          added.push(...flows)
          const snapshot = await shot(series, round)
          found.push(...faults(snapshot, limit, series.stats().series, shown), ...openFaults(snapshot, node.openOf))
        }
        const last = await shot(series, 12)
        found.push(...workloadFaults(last, added), ...containerFaults(last, added))
        if (series.stats().attributedBytes.cgroup !== total(added, COUNTERS.orb8_flow_bytes_total)) found.push('not all bytes attributed')
        t.same(found, [], `limit ${limit}, seed ${seed}`)
      }
    }
  })
}

t.test('random expiry: nothing falls while it lives, open connections stay true, all rows leave in the end', async (t) => {
  for (const limit of LIMITS) {
    for (let seed = 1; seed <= 8; seed++) {
      const random = seeded(seed * 77 + limit)
      const node = madeUpNode(random)
      let nowMs = 0
      const series = store({ seriesLimit: limit, seriesIdleMs: 30, now: () => nowMs })
      const shown = new Map<string, number>()
      const found: string[] = []
      for (let round = 0; round < 40; round++) {
        for (let count = random(4) === 0 ? 0 : random(12); count > 0; count--) series.add(node.next())
        nowMs += random(20)
        const snapshot = await shot(series, round)
        found.push(...faults(snapshot, limit, series.stats().series, shown), ...openFaults(snapshot, node.openOf))
      }
      for (const workload of WORKLOADS) series.add(flow({ workload, peerKind: 'unknown', port: '99' }, { closed: node.openOf(workload) }))
      await shot(series, 41)
      nowMs += 30
      const last = await shot(series, 42)
      if (last.flows.rows.length + last.containers.rows.length > 0) found.push('rows stay')
      if (series.stats().series !== 0) found.push('lines stay taken')
      t.same(found, [], `limit ${limit}, seed ${seed}`)
    }
  }
})
