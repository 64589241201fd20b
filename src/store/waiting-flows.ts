// Flows that wait for their owner's name, as the kernel told of them, kept in the ledger so that they outlive the process.
// Knows keys and numbers; nothing of names, nor of how long anything may wait.
import type { Address, FlowCounts, FlowHealth, FlowKey, HealthCounts, PeerClass, Role } from '../model.ts'
import type { Ledger } from './ledger.ts'
import type { Numbers, Slot } from './numbers.ts'

/** Two hundred containers that all start at once, with forty peers each; some 2 kB a flow. Beyond it nothing waits. */
const MAX_FLOWS = 8192

/** Records in the ledger, each with the flow's key: no slot has room for all that is known of one. */
const KIND = { counts: 8, failures: 9, rtt: 10, connect: 11 } as const
type Kind = (typeof KIND)[keyof typeof KIND]
const KINDS: readonly Kind[] = Object.values(KIND)

export const WAITING_KINDS: ReadonlySet<number> = new Set(KINDS)

/** In their order in the slot. */
const COUNTS = [
  'sentBytes',
  'receivedBytes',
  'sentPackets',
  'receivedPackets',
  'opened',
  'adopted',
  'closed',
  'retransmitted',
] as const satisfies readonly (keyof FlowCounts)[]

const FAILURES = 6
const BUCKETS = 12

/** What is known of one flow. */
interface Entry {
  readonly key: FlowKey
  readonly labels: readonly string[]
  readonly slots: Map<Kind, Slot>
  /** It has its name: its slots are given back with the commit. */
  released: boolean
}

export interface Held {
  readonly key: FlowKey
  /** By the store's clock, ms. */
  readonly sinceMs: number
}

export class WaitingFlows {
  readonly #ledger: Ledger
  readonly #numbers: Numbers
  readonly #nowMs: () => number
  readonly #maxFlows: number
  readonly #entries = new Map<string, Entry>()
  readonly #released = new Set<Entry>()
  #lastId = 0
  /** Slots taken since the last commit, with whose they are. */
  #taken: { readonly entry: Entry; readonly kind: Kind }[] = []

  /** What the ledger kept goes on waiting. */
  constructor(ledger: Ledger, nowMs: () => number, maxFlows = MAX_FLOWS) {
    this.#ledger = ledger
    this.#numbers = ledger.numbers
    this.#nowMs = nowMs
    this.#maxFlows = maxFlows
    for (const { kind, id, labels, slot } of ledger.restored) {
      const known = KINDS.find((one) => one === kind)
      if (known === undefined) continue
      const key = readKey(labels)
      const entry = this.#entries.get(key.id) ?? this.#enter(key, labels)
      entry.slots.set(known, slot)
      this.#lastId = Math.max(this.#lastId, id)
    }
  }

  get size(): number {
    return this.#entries.size - this.#released.size
  }

  /** Answers false where there is no room: nothing is kept then. */
  hold(key: FlowKey, counts: FlowCounts): boolean {
    return this.#add(key, KIND.counts, () => COUNTS.map((name) => counts[name]))
  }

  /** The same of its health: false where not all of it was kept, then none of it was. */
  holdHealth(key: FlowKey, { failed, rtt, connect, listenOverflows, receiveDrops }: HealthCounts): boolean {
    const parts: readonly (readonly [Kind, readonly number[]])[] = [
      [KIND.failures, [...failed, listenOverflows, receiveDrops]],
      [KIND.rtt, [...rtt.buckets, rtt.sum]],
      [KIND.connect, [...connect.buckets, connect.sum]],
    ]
    const seen = parts.filter(([, numbers]) => numbers.some((number) => number !== 0))
    const before = this.#taken.length
    if (!seen.every(([kind]) => this.#slot(key, kind) !== undefined)) {
      this.#giveBack(before)
      return false
    }
    for (const [kind, numbers] of seen) this.#add(key, kind, () => numbers)
    return true
  }

  /** All that wait. */
  *held(): Generator<Held> {
    for (const entry of this.#entries.values()) if (!entry.released) yield { key: entry.key, sinceMs: this.#since(entry) }
  }

  /** It waits no longer: what was kept of it, which the ledger forgets with the next commit. Undefined where nothing is. */
  release(key: FlowKey): { readonly counts: FlowCounts; readonly health: HealthCounts } | undefined {
    const entry = this.#entries.get(key.id)
    if (entry === undefined || entry.released) return undefined
    entry.released = true
    this.#released.add(entry)
    return { counts: this.#countsOf(entry), health: this.#healthOf(entry) }
  }

  /** To be called within a commit, before the ledger's own. */
  settle(): void {
    for (const entry of this.#released) {
      for (const slot of entry.slots.values()) this.#ledger.free(slot)
      this.#entries.delete(entry.key.id)
    }
    this.#released.clear()
    this.#taken = []
  }

  /** As it was at the last commit. To be called when the ledger was rolled back. */
  undo(): void {
    for (const entry of this.#released) entry.released = false
    this.#released.clear()
    this.#giveBack(0)
  }

  /** Slots taken since the last commit, but for the first few of them. */
  #giveBack(from: number): void {
    for (const { entry, kind } of this.#taken.splice(from)) {
      const slot = entry.slots.get(kind)
      if (slot !== undefined) this.#ledger.free(slot)
      entry.slots.delete(kind)
      if (entry.slots.size === 0) this.#entries.delete(entry.key.id)
    }
  }

  #add(key: FlowKey, kind: Kind, numbers: () => readonly number[]): boolean {
    const slot = this.#slot(key, kind)
    if (slot === undefined) return false
    for (const [index, number] of numbers().entries()) this.#numbers.addTally(slot, index, number)
    return true
  }

  /** Undefined where there is no room. */
  #slot(key: FlowKey, kind: Kind): Slot | undefined {
    const known = this.#entries.get(key.id)
    if (known?.released) this.#beginAnew(known)
    const slot = known?.slots.get(kind)
    if (slot !== undefined) return slot
    if (known === undefined && this.#entries.size >= this.#maxFlows) return undefined
    const labels = known?.labels ?? writeKey(key)
    const taken = this.#ledger.take({ kind, id: this.#lastId + 1, startMs: 0, labels })
    if (taken === undefined) return undefined
    this.#lastId++
    const entry = known ?? this.#enter(key, labels)
    entry.slots.set(kind, taken)
    this.#taken.push({ entry, kind })
    this.#numbers.setMoved(taken, this.#nowMs())
    return taken
  }

  /** What was kept of it has been given out. */
  #beginAnew(entry: Entry): void {
    this.#released.delete(entry)
    entry.released = false
    for (const slot of entry.slots.values()) {
      this.#numbers.clear(slot)
      this.#numbers.setMoved(slot, this.#nowMs())
    }
  }

  #enter(key: FlowKey, labels: readonly string[]): Entry {
    const entry: Entry = { key, labels, slots: new Map(), released: false }
    this.#entries.set(key.id, entry)
    return entry
  }

  #since({ slots }: Entry): number {
    let sinceMs = Number.POSITIVE_INFINITY
    for (const slot of slots.values()) sinceMs = Math.min(sinceMs, this.#numbers.moved(slot))
    return sinceMs
  }

  #countsOf(entry: Entry): FlowCounts {
    const numbers = this.#tallies(entry, KIND.counts, COUNTS.length)
    return Object.fromEntries(COUNTS.map((name, index) => [name, numbers[index]])) as unknown as FlowCounts
  }

  #healthOf(entry: Entry): FlowHealth['health'] {
    const failures = this.#tallies(entry, KIND.failures, FAILURES + 2)
    const times = (kind: Kind) => {
      const numbers = this.#tallies(entry, kind, BUCKETS + 1)
      return { buckets: numbers.slice(0, BUCKETS), sum: numbers[BUCKETS] ?? 0 }
    }
    const [listenOverflows = 0, receiveDrops = 0] = failures.slice(FAILURES)
    return { failed: failures.slice(0, FAILURES), rtt: times(KIND.rtt), connect: times(KIND.connect), listenOverflows, receiveDrops }
  }

  #tallies({ slots }: Entry, kind: Kind, count: number): readonly number[] {
    const slot = slots.get(kind)
    return Array.from({ length: count }, (_, index) => (slot === undefined ? 0 : this.#numbers.tally(slot, index)))
  }
}

/** As labels of a record. Addresses and ids are bytes: in base64 most keys take one slot. */
function writeKey({ id, cgroup, local, remote, peer, network, port, protocol, role }: FlowKey): readonly string[] {
  return [base64(id), `${cgroup}`, base64(local), base64(remote), peer, `${network}`, `${port}`, `${protocol}`, role]
}

function readKey([id = '', cgroup = '0', local = '', remote = '', peer, network, port, protocol, role]: readonly string[]): FlowKey {
  return {
    id: bytes(id),
    cgroup: BigInt(cgroup),
    local: bytes(local) as Address,
    remote: bytes(remote) as Address,
    peer: peer as PeerClass,
    network: Number(network),
    port: Number(port),
    protocol: Number(protocol),
    role: role as Role,
  }
}

const base64 = (latin1: string): string => Buffer.from(latin1, 'latin1').toString('base64')
const bytes = (text: string): string => Buffer.from(text, 'base64').toString('latin1')
