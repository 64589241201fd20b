// Made-up histories of a node, drain by drain, and what a store that is never killed makes of them: the truth to compare with.
import type { FlowLabelName } from '../../src/metrics.ts'
import type {
  Address,
  Attribution,
  FlowCounts,
  FlowKey,
  FlowLabels,
  HealthCounts,
  ResolvedFlow,
  ResolvedHealth,
  Snapshot,
  TimeCounts,
} from '../../src/model.ts'
import type { LedgerMemory } from '../../src/store/ledger-memory.ts'
import type { LedgerWriter } from '../../src/store/ledger-writer.ts'
import { createStore, type Place, type Store } from '../../src/store/store.ts'
import { flow, LABELS, NO_TIMES, NOTHING, SOUND, times } from './flows.ts'
import { copyOf, scarceMemory } from './kept-memory.ts'

/** mulberry32: the same in every run. */
export function seeded(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296) * below)
  }
}

const NOWHERE = '\0'.repeat(16) as Address

/** A key of the kernel's, bytes and all. */
export function flowKey(id: number): FlowKey {
  const remote = String.fromCharCode(...Array.from({ length: 16 }, (_, at) => (id * 37 + at * 11) % 256)) as Address
  const where = { cgroup: BigInt(id) + 2n ** 40n, local: NOWHERE, remote, peer: 'address', network: 0 } as const
  return { id: `${remote}\0${id}`, ...where, port: id, protocol: 6, role: 'client' }
}

/** What waits for a name. */
export interface Wait {
  readonly key: FlowKey
  readonly counts: FlowCounts
  readonly health: HealthCounts
}

export interface Round {
  readonly flows: readonly ResolvedFlow[]
  readonly health: readonly ResolvedHealth[]
  readonly waits: readonly Wait[]
  /** Of the flows, how many were added once before, in an attempt that was given up, and so much of the health. */
  readonly attempt: number
  readonly clockMs: number
}

export interface History {
  readonly rounds: readonly Round[]
  readonly seriesLimit: number
  /** Chunks of memory that may be had. */
  readonly chunks: number
  readonly flowLabels: readonly FlowLabelName[]
}

const ALL: readonly FlowLabelName[] = [
  'workload',
  'workload_kind',
  'namespace',
  'pod',
  'role',
  'protocol',
  'port',
  'peer_kind',
  'peer_workload',
  'direction',
]

/** Births, sums, bytes taken back, closes in another series than the open, expiry, long names, limits, little memory. */
export function madeUpHistory(seed: number, sizes: { rounds: number; flows: number }): History {
  const random = seeded(seed)
  const symptoms = madeUpHealth(seeded(seed + 0x4ea1))
  const patience = madeUpWaits(seeded(seed + 0x3a17))
  const names = ['web', 'café', 'w'.repeat(90), '長い名前'.repeat(40), 'x'.repeat(1500), 'y'.repeat(5000)]
  const known: FlowLabels[] = []
  let clockMs = 0
  const labels = (): FlowLabels => {
    const old = known[random(known.length + 1)]
    if (old !== undefined && random(3) > 0) return random(3) > 0 ? old : { ...old }
    const workload = names[Math.min(random(names.length), random(names.length))] ?? ''
    const peerKind = (['pod', 'external', 'unknown', 'overflow'] as const)[random(4)] ?? 'pod'
    const made = { ...LABELS, workload, pod: `p${random(3)}`, protocol: random(3) > 0 ? 'tcp' : 'udp', port: `${random(9)}`, peerKind }
    known.push(made)
    return made
  }
  const next = (): ResolvedFlow => {
    const bytes = (): number => (random(5) === 0 ? -random(3) : random(100_000))
    const counts = { sentBytes: bytes(), receivedBytes: bytes(), sentPackets: random(90), receivedPackets: random(90) }
    const connections = { opened: random(3), adopted: random(8) === 0 ? 1 : 0, closed: random(4), retransmitted: random(5) }
    const attribution = (['cgroup', 'pod_ip', 'host', 'none'] as const)[random(4)] ?? 'none'
    return { labels: labels(), attribution, counts: { ...counts, ...connections } }
  }
  const rounds = Array.from({ length: sizes.rounds }, () => {
    clockMs += random(20)
    const flows = Array.from({ length: random(4) === 0 ? 0 : random(sizes.flows) + 1 }, next)
    const health = flows.flatMap(({ labels }) => symptoms(labels))
    return { flows, health, waits: patience(), attempt: random(3) === 0 ? random(flows.length + 1) : 0, clockMs }
  })
  return {
    rounds,
    seriesLimit: [1, 20, 60, 100_000][random(4)] ?? 20,
    chunks: 1 + random(4),
    flowLabels: random(4) === 0 ? ['workload', 'role', 'protocol'] : ALL,
  }
}

/** Now and then something of a flow's health, often of one part only. */
function madeUpHealth(random: (below: number) => number): (labels: FlowLabels) => ResolvedHealth[] {
  const some = (): TimeCounts => times(random(12), ...Array.from({ length: random(3) }, () => random(1e6) / 3e5))
  return (labels) => {
    if (random(2) === 0) return []
    const failed = random(3) === 0 ? SOUND.failed.map(() => random(2)) : SOUND.failed
    const rtt = random(2) === 0 ? some() : NO_TIMES
    const connect = random(3) === 0 ? some() : NO_TIMES
    const drops = { listenOverflows: random(6) === 0 ? random(9) : 0, receiveDrops: random(6) === 0 ? random(9) : 0 }
    return [{ labels, attribution: 'cgroup', health: { failed, rtt, connect, ...drops } }]
  }
}

function madeUpWaits(random: (below: number) => number): () => Wait[] {
  const symptoms = madeUpHealth(random)
  const one = (): Wait => {
    const counts = { ...NOTHING, sentBytes: random(9) - 1, receivedPackets: random(9), opened: random(3), closed: random(2) }
    return { key: flowKey(random(9)), counts, health: symptoms(LABELS)[0]?.health ?? SOUND }
  }
  return () => Array.from({ length: random(2) * random(6) }, one)
}

/** Who has got a name by that round, or is nobody's. */
function nameOf({ port }: FlowKey, index: number): { readonly known: boolean; readonly named: ResolvedFlow | undefined } {
  const named = port === 8 ? undefined : flow({ workload: `waited-${port}` }, {})
  return { known: (index + port) % 3 === 0, named }
}

/** A process that opens the ledger. */
export function storeOn(history: History, memory: LedgerMemory, clock: { nowMs: number }, write?: LedgerWriter): Store {
  const { seriesLimit, flowLabels } = history
  const given = { memory, now: () => clock.nowMs, startMs: 500, ...(write === undefined ? {} : { write }) }
  return createStore({ flowLabels, seriesLimit, seriesIdleMs: 30, ...given })
}

/** One collection, the drain's number being its index and one. */
export async function collect(store: Store, history: History, index: number): Promise<Snapshot> {
  const { flows, health, waits, attempt } = history.rounds[index] ?? { flows: [], health: [], waits: [], attempt: 0 }
  const source = index % 2
  const gap = store.counter('gap seconds')
  if (attempt > 0) {
    store.begin(index + 1, source)
    gap.add(7)
    addAll(store, flows.slice(0, attempt))
    for (const seen of health.slice(0, attempt)) store.addHealthTo(placeIn(store, seen), seen.health)
    wait(store, waits.slice(0, attempt), index)
  }
  store.begin(index + 1, source)
  gap.add(0.25)
  addAll(store, flows)
  for (const seen of health) store.addHealthTo(placeIn(store, seen), seen.health)
  wait(store, waits, index)
  await store.commit(1000 + index)
  store.emptied()
  return store.snapshot(1000 + index)
}

function addAll(store: Store, flows: readonly ResolvedFlow[]): void {
  store.addAll(
    flows.map((flow) => placeIn(store, flow)),
    flows.map(({ counts }) => counts),
  )
}

const places = new WeakMap<Store, Map<FlowLabels, Map<Attribution, Place>>>()

/** The same for the same labels object, as long as the store. */
function placeIn(store: Store, { labels, attribution }: Pick<ResolvedFlow, 'labels' | 'attribution'>): Place {
  const own = places.get(store) ?? new Map<FlowLabels, Map<Attribution, Place>>()
  places.set(store, own)
  const known = own.get(labels) ?? new Map<Attribution, Place>()
  own.set(labels, known)
  const place = known.get(attribution) ?? store.place(labels, attribution)
  known.set(attribution, place)
  return place
}

/** Where there is no room it is as if it had never been. */
function wait(store: Store, waits: readonly Wait[], index: number): void {
  for (const { key, counts, health } of waits) {
    store.hold(key, counts)
    store.holdHealth(key, health)
  }
  for (const { key } of [...store.held()]) {
    const { known, named } = nameOf(key, index)
    if (known) store.release(key, named)
  }
}

/** All that anybody could see, but for the ids of rows. */
export function seen(store: Store, { timeMs, flows, containers, health }: Snapshot): string {
  const shown = [flows, containers, ...health].map(({ rows, values, tcp, labelNames }) => {
    const width = values.length / Math.max(1, rows.length)
    return [labelNames, rows.map((row, at) => [row.labels, row.startMs, tcp[at], ...values.subarray(at * width, (at + 1) * width)])]
  })
  const held = [...store.held()].map(({ key, sinceMs }) => [key.id, key.port, `${key.cgroup}`, sinceMs]).sort()
  return JSON.stringify([timeMs, shown, held, store.stats(), store.counter('gap seconds').value(), store.startMs])
}

export interface Truth {
  /** The memory before each collection, and after the last. */
  readonly memories: readonly LedgerMemory[]
  /** What was seen after each collection. */
  readonly seen: readonly string[]
  readonly snapshots: readonly Snapshot[]
}

export async function truthOf(history: History): Promise<Truth> {
  const clock = { nowMs: 0 }
  const memory = scarceMemory(history.chunks)
  const store = storeOn(history, memory, clock)
  const memories = [copyOf(memory, history.chunks)]
  const shown: string[] = []
  const snapshots: Snapshot[] = []
  for (const [index, { clockMs }] of history.rounds.entries()) {
    clock.nowMs = clockMs
    const snapshot = await collect(store, history, index)
    snapshots.push(snapshot)
    shown.push(seen(store, snapshot))
    memories.push(copyOf(memory, history.chunks))
  }
  return { memories, seen: shown, snapshots }
}
