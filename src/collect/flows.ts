// Turns the flow map into flows. Knows the map's layout; nothing of pods or HTTP.
import { UNSPECIFIED } from '../address.ts'
import { FLOW_COUNTS, FLOW_KEY, HEALTH } from '../kernel/layouts.ts'
import type { MapBatch } from '../kernel/maps.ts'
import type { HeldFlows, Totals } from '../kernel/socket-datapath.ts'
import { CONNECT_FAILURES } from '../metrics.ts'
import type { Flow, FlowCounts, FlowHealth, FlowKey, HealthCounts, KeyNote } from '../model.ts'
import { decodeCounts, decodeKey, viewOf } from './flow-entries.ts'
import { decodeHealth } from './health.ts'
import { KnownKeys } from './known-keys.ts'

/** Two maps of the kernel: what programs filled until the last swap stays readable until it is emptied. */
export interface FlowPair {
  /** Is there something that was not emptied yet? */
  readonly pending: boolean
  /** Does nothing while something is pending. */
  swap(): Promise<void>
  read(): AsyncGenerator<MapBatch>
  empty(): Promise<void>
}

/** What a collection needs of the kernel; the socket datapath is one. */
export interface FlowSource {
  readonly flows: FlowPair
  readonly overflow: FlowPair
  readonly health: FlowPair
  readonly healthSpill: FlowPair
  /** That of keys whose connections the ledger knows, or gets to know by them. */
  readonly epoch: number
  /** Maps that nobody fills any more, to be counted once. */
  held(): readonly HeldFlows[]
  /** Answers for how long nobody had read, in ms, where counting rested meanwhile. */
  beat(): Promise<number>
  walk(): Promise<void>
  totals(): Totals
}

/** A number that goes on over restarts, changed only within a drain. */
export interface Kept {
  value(): number
  set(value: number): void
}

/** What keeps the numbers: all of a drain counts, or nothing of it. The store is one. */
export interface DrainLedger {
  drains(): { readonly committed: { readonly number: number }; readonly emptied: { readonly number: number } }
  begin(number: number): void
  commit(nowMs: number): Promise<void> | void
  emptied(): void
  counter(name: string): Kept
}

export interface Collected {
  readonly totals: Totals
  /** Entries drained of each map. */
  readonly entries: { readonly flows: number; readonly overflow: number; readonly health: number }
  /** See FlowSource.beat. */
  readonly gapMs: number
}

export interface CollectorOptions {
  readonly source: FlowSource
  readonly ledger: DrainLedger
  /** Do the ledger's numbers begin at 0 over maps that were there before? */
  readonly begins?: boolean
  /** Receives every flow once, in slices between which the event loop runs. */
  readonly take: (flows: readonly Flow[]) => Promise<void> | void
  /** The same of what was seen of their health. */
  readonly takeHealth: (health: readonly FlowHealth[]) => Promise<void> | void
  /** Called once all of a drain was received, before it is committed. */
  readonly settle?: () => Promise<void> | void
  /** Called at each step of a collection, before it. */
  readonly step?: ((name: Step) => void) | undefined
  /** ms since the epoch. */
  readonly now?: () => number
  /** Keys of a whole flow map, 300 B each: those of two are remembered at most. */
  readonly mostKeys?: number
}

/** One full flow map at its default size. */
const MOST_KEYS = 65_536

export const STEPS = ['walk', 'swap', 'begin', 'read', 'commit', 'empty', 'emptied', 'done'] as const
export type Step = (typeof STEPS)[number]

interface KnownKey extends KeyNote {
  readonly key: FlowKey
}

const NODE_OVERFLOW: FlowKey = {
  id: 'node_overflow',
  cgroup: 0n,
  local: UNSPECIFIED,
  remote: UNSPECIFIED,
  peer: 'node_overflow',
  network: 0,
  port: 0,
  protocol: 0,
  role: 'unknown',
}

/** Of connections that are told again, or are over: as if none were open now. */
function withoutOpen(counts: FlowCounts): FlowCounts {
  return { ...counts, adopted: counts.closed - counts.opened }
}

const NO_HEALTH: HealthCounts = decodeHealth(Buffer.alloc(HEALTH.size), 0)
const NODE_HEALTH = [...CONNECT_FAILURES, 'listen overflows', 'receive drops']

const COUNTS = Object.keys(FLOW_COUNTS).filter((name): name is keyof FlowCounts => name !== 'size')

/**
 * One collection after the other over one source. What the kernel held is read, committed in the ledger, and only then emptied:
 * whenever the process ends, the next one finds either what was not committed or what was not emptied, and does the rest.
 */
export class FlowCollector {
  readonly #source: FlowSource
  readonly #ledger: DrainLedger
  readonly #take: CollectorOptions['take']
  readonly #takeHealth: CollectorOptions['takeHealth']
  readonly #settle: NonNullable<CollectorOptions['settle']>
  readonly #step: (name: Step) => void
  readonly #now: () => number
  #begins: boolean
  #held: readonly HeldFlows[]
  readonly #keys: KnownKeys<KnownKey>
  readonly #nodeOverflow: Readonly<Record<keyof FlowCounts, Kept>>
  readonly #nodeHealth: readonly Kept[]
  readonly #gapSeconds: Kept
  /** Not committed yet. */
  #gapMs = 0

  constructor(options: CollectorOptions) {
    const {
      source,
      ledger,
      take,
      takeHealth,
      begins = false,
      settle = () => undefined,
      step = () => undefined,
      now = Date.now,
      mostKeys = MOST_KEYS,
    } = options
    this.#source = source
    this.#ledger = ledger
    this.#take = take
    this.#takeHealth = takeHealth
    this.#settle = settle
    this.#begins = begins
    this.#held = source.held()
    this.#step = step
    this.#now = now
    this.#keys = new KnownKeys(FLOW_KEY.size, mostKeys, (keys, at) => ({
      by: undefined,
      where: undefined,
      name: undefined,
      key: decodeKey(Buffer.from(keys.buffer, keys.byteOffset), at),
    }))
    const kept = COUNTS.map((name) => [name, ledger.counter(`node overflow ${name}`)] as const)
    this.#nodeOverflow = Object.fromEntries(kept) as Record<keyof FlowCounts, Kept>
    this.#nodeHealth = NODE_HEALTH.map((name) => ledger.counter(`node health ${name}`))
    this.#gapSeconds = ledger.counter('reader gap seconds')
  }

  /** Throws KernelError: the next collection then takes up what this one left. */
  async collect(): Promise<Collected> {
    this.#gapMs += await this.#source.beat()
    const gapMs = this.#gapMs
    await this.#finish()
    this.#step('walk')
    await this.#source.walk()
    this.#step('swap')
    const swaps = await Promise.allSettled(this.#pairs.map((pair) => pair.swap()))
    for (const swap of swaps) if (swap.status === 'rejected') throw swap.reason
    const entries = await this.#drain(gapMs)
    this.#keys.letGo()
    this.#step('done')
    return { totals: this.#source.totals(), entries, gapMs }
  }

  /** s, since the first start. */
  get readerGapSeconds(): number {
    return this.#gapSeconds.value()
  }

  get #pairs(): readonly FlowPair[] {
    const { flows, overflow, health, healthSpill } = this.#source
    return [flows, overflow, health, healthSpill]
  }

  /** What an earlier process, or a collection that failed, did not bring to its end. */
  async #finish(): Promise<void> {
    const { committed, emptied } = this.#ledger.drains()
    if (committed.number > emptied.number) await this.#empty()
    if (this.#pairs.some(({ pending }) => pending)) await this.#drain(0)
  }

  async #drain(gapMs: number): Promise<Collected['entries']> {
    const { flows, overflow, health, healthSpill } = this.#source
    this.#step('begin')
    this.#ledger.begin(this.#ledger.drains().committed.number + 1)
    const entries = {
      flows: await this.#read(flows),
      overflow: await this.#read(overflow),
      health: (await this.#readHealth(health)) + (await this.#readHealth(healthSpill)),
    }
    for (const held of this.#held) await (held.holds === 'flows' ? this.#read(held) : this.#readHealth(held))
    await this.#takeNodeOverflow()
    await this.#takeNodeHealth()
    await this.#settle()
    if (gapMs > 0) this.#gapSeconds.set(this.#gapSeconds.value() + gapMs / 1000)
    this.#step('commit')
    await this.#ledger.commit(this.#now())
    this.#gapMs -= gapMs
    this.#begins = false
    await this.#empty()
    return entries
  }

  async #empty(): Promise<void> {
    this.#step('empty')
    for (const pair of this.#pairs) if (pair.pending) await pair.empty()
    for (const held of this.#held) await held.release()
    this.#held = []
    this.#step('emptied')
    this.#ledger.emptied()
  }

  async #read(maps: Pick<FlowPair, 'read'>): Promise<number> {
    let read = 0
    for await (const { count, keys, values } of maps.read()) {
      this.#step('read')
      const flows = new Array<Flow>(count)
      const notes = this.#keys.find(viewOf(keys), count)
      const valueView = viewOf(values)
      const { epoch } = this.#source
      for (let i = 0; i < count; i++) {
        const note = notes[i] as KnownKey
        const counts = decodeCounts(valueView, i * FLOW_COUNTS.size)
        const known = keys[i * FLOW_KEY.size + FLOW_KEY.epoch] === epoch
        flows[i] = { key: note.key, counts: known ? counts : withoutOpen(counts), note }
      }
      read += count
      await this.#take(flows)
    }
    return read
  }

  async #readHealth(maps: Pick<FlowPair, 'read'>): Promise<number> {
    let read = 0
    for await (const { count, keys, values } of maps.read()) {
      this.#step('read')
      const seen: FlowHealth[] = []
      for (const [i, note] of this.#keys.find(viewOf(keys), count).entries()) {
        seen.push({ key: note.key, health: decodeHealth(values, i * HEALTH.size), note })
      }
      read += count
      await this.#takeHealth(seen)
    }
    return read
  }

  /**
   * What not even the overflow map had room for only ever grows: the rest is what has not been counted yet. Where numbers begin at 0
   * nobody knows how much of it was counted before: it begins at 0 too.
   */
  async #takeNodeOverflow(): Promise<void> {
    const now = decodeCounts(viewOf(this.#source.totals().nodeOverflow), 0)
    const kept = this.#nodeOverflow
    if (COUNTS.every((name) => now[name] === kept[name].value())) return
    const counts = Object.fromEntries(COUNTS.map((name) => [name, now[name] - kept[name].value()])) as unknown as FlowCounts
    for (const name of COUNTS) kept[name].set(now[name])
    if (!this.#begins) await this.#take([{ key: NODE_OVERFLOW, counts }])
  }

  /** The same of health, by 32-bit counters that come round. Times are samples: those that found no room are told in totals only. */
  async #takeNodeHealth(): Promise<void> {
    const now = decodeHealth(this.#source.totals().nodeHealth, 0)
    const counts = [...now.failed, now.listenOverflows, now.receiveDrops]
    const more = counts.map((count, at) => (count - (this.#nodeHealth[at]?.value() ?? 0)) >>> 0)
    if (more.every((count) => count === 0)) return
    for (const [at, count] of counts.entries()) this.#nodeHealth[at]?.set(count)
    if (this.#begins) return
    const [listenOverflows = 0, receiveDrops = 0] = more.slice(now.failed.length)
    const failed = more.slice(0, now.failed.length)
    await this.#takeHealth([{ key: NODE_OVERFLOW, health: { ...NO_HEALTH, failed, listenOverflows, receiveDrops } }])
  }
}
