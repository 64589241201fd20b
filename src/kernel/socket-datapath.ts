// The socket datapath as user space sees it: attached, adopted, walked, drained. Knows the programs by name; nothing of labels.
import type { Prefix } from '../address.ts'
import { KernelError } from '../errors.ts'
import { Links } from './attach.ts'
import { runIterator } from './iterator.ts'
import { CONTROL, FLOW_COUNTS, FLOW_KEY, HEALTH, PEER, PREFIX, PREFIX_RULE, SETTINGS, TOTALS } from './layouts.ts'
import { type BpfProgram, type Fd, libbpf } from './libbpf.ts'
import { clearMap, deleteEntry, type MapBatch, MapDrain, putEntry, readValue, replaceInner, writeValue } from './maps.ts'
import { type LoadedObject, loadObject, type Refusal, SOCKET_OBJECT } from './object.ts'

/** Overflow entries: one for each cgroup and protocol, 8192 of them 1.6 MB. */
const OVERFLOW_ENTRIES = 8192
/** Only TCP flows and listeners have health, and of those in the flow map few hold a new sample at once; what is beyond is folded. */
const FLOWS_PER_HEALTH = 8
const MIN_HEALTH_ENTRIES = 1024
/** One for each cgroup and protocol that finds no room: beyond it health is the node's. 1024 of them 0.5 MB. */
const HEALTH_SPILL_ENTRIES = 1024
/** How long a TCP socket without storage is looked for at each packet: by then those that matter have spoken. */
const ADOPTION_MS = 10 * 60_000
const LISTENER_BYTES = 8
/** struct htab_elem beside key and value, and a bucket. */
const HASH_ENTRY_BYTES = 64
/** Socket storage of one connection with what the kernel keeps beside it, measured. */
const SOCKET_BYTES = 400

const CGROUP_PROGRAMS = ['orb8_tcp_events', 'orb8_egress', 'orb8_ingress', 'orb8_bind4', 'orb8_bind6', 'orb8_sock_create'] as const
/** Programs that count; the others only help them. */
const COUNTING = ['orb8_tcp_state', 'orb8_egress', 'orb8_ingress'] as const

export interface DatapathOptions {
  /** The cgroup v2 directory below which sockets are seen. */
  readonly cgroupRoot: string
  readonly flowEntries: number
  readonly sockets: number
  /** Of one map each; by default as many as fit `flowEntries`. */
  readonly healthEntries?: number
  readonly healthSpillEntries?: number
  /** In force before the first socket is seen. */
  readonly prefixes?: readonly PrefixRule[]
  readonly objectPath?: string
}

/** A public prefix and what becomes of the addresses in it: kept whole, or folded to the named network's index. */
export interface PrefixRule {
  readonly prefix: Prefix
  readonly network?: number
}

/** Counters that the programs keep; only ever growing but `tracked`. */
export interface Totals {
  readonly tracked: number
  readonly untrackedLimit: number
  readonly untrackedMemory: number
  readonly overflowFlows: number
  readonly overflowBytes: number
  /** struct flow_counts of what not even the overflow map had room for, since the start. */
  readonly nodeOverflow: Buffer
  /** Times that the map of health had no room. */
  readonly overflowHealth: number
}

/** Two maps of one shape: programs fill one, user space drains the other. */
interface Pair {
  readonly outer: Fd
  readonly inner: readonly [Fd, Fd]
  active: 0 | 1
}

export class SocketDatapath implements AsyncDisposable {
  readonly #object: LoadedObject
  readonly #links = new Links()
  readonly #flows: Pair
  readonly #overflow: Pair
  readonly #health: Pair
  readonly #healthSpill: Pair
  readonly #drain = new MapDrain(FLOW_KEY.size, FLOW_COUNTS.size)
  readonly #healthDrain = new MapDrain(FLOW_KEY.size, HEALTH.size)
  readonly #totals = Buffer.alloc(TOTALS.size)
  readonly #rules = new Map<string, string>()
  readonly #sockets: number
  #refused: readonly Refusal[]
  #adoptionTimer: NodeJS.Timeout | undefined

  private constructor(object: LoadedObject, sockets: number) {
    this.#object = object
    this.#sockets = sockets
    this.#refused = object.refused
    this.#flows = pair(object, 'flows')
    this.#overflow = pair(object, 'overflow')
    this.#health = pair(object, 'health')
    this.#healthSpill = pair(object, 'health_spill')
  }

  /**
   * Loads, attaches, and takes up the connections that are there. Programs that the kernel refuses are left out and told in
   * `refused`. Throws KernelError where nothing can be attached.
   */
  static async start(options: DatapathOptions): Promise<SocketDatapath> {
    const settings = Buffer.alloc(SETTINGS.size)
    settings.writeBigUInt64LE(BigInt(options.sockets), SETTINGS.sockets)
    const { flowEntries, healthSpillEntries = HEALTH_SPILL_ENTRIES } = options
    const healthEntries = options.healthEntries ?? Math.max(MIN_HEALTH_ENTRIES, Math.ceil(flowEntries / FLOWS_PER_HEALTH))
    const object = loadObject(options.objectPath ?? SOCKET_OBJECT, {
      entries: {
        flows_a: flowEntries,
        flows_b: flowEntries,
        overflow_a: OVERFLOW_ENTRIES,
        overflow_b: OVERFLOW_ENTRIES,
        health_a: healthEntries,
        health_b: healthEntries,
        health_spill_a: healthSpillEntries,
        health_spill_b: healthSpillEntries,
      },
      values: { '.rodata.settings': settings },
    })
    const datapath = new SocketDatapath(object, options.sockets)
    try {
      checkLayout(object, 'flows_a', FLOW_KEY.size, FLOW_COUNTS.size)
      checkLayout(object, 'health_a', FLOW_KEY.size, HEALTH.size)
      checkLayout(object, 'prefixes', PREFIX.size, PREFIX_RULE.size)
      checkLayout(object, '.data.totals', 4, TOTALS.size)
      datapath.setPrefixes(options.prefixes ?? [])
      datapath.#attach(options.cgroupRoot)
      await datapath.#adopt()
      return datapath
    } catch (error) {
      await datapath[Symbol.asyncDispose]()
      throw error
    }
  }

  /** Programs that do not run, and why. */
  get refused(): readonly Refusal[] {
    return this.#refused
  }

  #attach(cgroupRoot: string): void {
    const programs = this.#object.programs()
    this.#refused = [...this.#refused, ...attachAll(this.#object, this.#links, programs, cgroupRoot)]
    const runs = this.programs()
    if (COUNTING.some((name) => runs.get(name) === true)) return
    const first = this.#refused[0] ?? { reason: 'ENOENT', remedy: 'the object file has none' }
    throw new KernelError('attach any program that counts', first.reason, first.remedy)
  }

  /** Each program, and whether it runs. */
  programs(): Map<string, boolean> {
    const programs = new Map<string, boolean>()
    for (const name of this.#object.programs().keys()) programs.set(name, true)
    for (const { program } of this.#refused) programs.set(program, false)
    return programs
  }

  /** Maps that can fill up, and how many entries they take. */
  capacities(): Map<string, number> {
    const { bpf } = libbpf()
    return new Map(
      [
        ['flows', 'flows_a'],
        ['overflow', 'overflow_a'],
        ['health', 'health_a'],
        ['health_spill', 'health_spill_a'],
        ['prefixes', 'prefixes'],
      ].map(([name = '', map = '']) => [name, bpf.bpf_map__max_entries(this.#object.map(map)) as number]),
    )
  }

  /** Kernel memory that maps and socket storage take when all are full: known sizes and what an entry costs beside them. */
  memoryLimitBytes(): number {
    const { bpf } = libbpf()
    const entries = (name: string): number => bpf.bpf_map__max_entries(this.#object.map(name)) as number
    const flows = (entries('flows_a') + entries('overflow_a')) * (FLOW_KEY.size + FLOW_COUNTS.size + HASH_ENTRY_BYTES)
    const health = (entries('health_a') + entries('health_spill_a')) * (FLOW_KEY.size + HEALTH.size + HASH_ENTRY_BYTES)
    return 2 * (flows + health) + this.#sockets * SOCKET_BYTES
  }

  prefixCount(): number {
    return this.#rules.size
  }

  /** Connections that were there before: by the files of all processes now, by their packets for ten minutes. */
  async #adopt(): Promise<void> {
    if (!this.#links.has('orb8_tcp_state')) return // nobody would end what is taken up
    this.#setAdopting(true)
    this.#adoptionTimer = setTimeout(() => this.#setAdopting(false), ADOPTION_MS).unref()
    for (const name of ['orb8_find_listeners', 'orb8_adopt_files']) {
      if (!this.#links.has(name)) continue
      await runIterator(name, this.#links.fd(name))
      this.#links.detach(name)
    }
    clearMap(this.#object.fd('listeners'), LISTENER_BYTES)
  }

  #setAdopting(on: boolean): void {
    const control = Buffer.alloc(CONTROL.size)
    control.writeUInt32LE(on ? 1 : 0, CONTROL.adopting)
    writeValue(this.#object.fd('.data.control'), control)
  }

  /** Folds what is new at every watched socket into the flow map. */
  async walk(): Promise<void> {
    if (this.#links.has('orb8_walk')) await runIterator('orb8_walk', this.#links.fd('orb8_walk'))
  }

  /** Takes everything out of the flow map (48-byte keys, 64-byte values). Waits for an RCU grace period first. */
  drainFlows(): AsyncGenerator<MapBatch> {
    return this.#drainPair(this.#flows)
  }

  drainOverflow(): AsyncGenerator<MapBatch> {
    return this.#drainPair(this.#overflow)
  }

  /** The same of the map of health (48-byte keys, 144-byte values). */
  drainHealth(): AsyncGenerator<MapBatch> {
    return this.#drainPair(this.#health, this.#healthDrain)
  }

  drainHealthSpill(): AsyncGenerator<MapBatch> {
    return this.#drainPair(this.#healthSpill, this.#healthDrain)
  }

  async *#drainPair(of: Pair, drain: MapDrain = this.#drain): AsyncGenerator<MapBatch> {
    const idle = of.inner[of.active]
    const next = of.active === 0 ? 1 : 0
    await replaceInner(of.outer, of.inner[next])
    of.active = next
    yield* drain.drain(idle)
  }

  totals(): Totals {
    const view = readValue(this.#object.fd('.data.totals'), this.#totals)
    const read = (offset: number): number => Number(view.readBigInt64LE(offset))
    return {
      tracked: read(TOTALS.tracked),
      untrackedLimit: read(TOTALS.untrackedLimit),
      untrackedMemory: read(TOTALS.untrackedMemory),
      overflowFlows: read(TOTALS.overflowFlows),
      overflowBytes: read(TOTALS.overflowBytes),
      nodeOverflow: Buffer.from(view.subarray(TOTALS.nodeOverflow, TOTALS.nodeOverflow + FLOW_COUNTS.size)),
      overflowHealth: read(TOTALS.overflowHealth),
    }
  }

  /** struct health of what not even the spill map had room for, since the start: its 32-bit counters may come round. */
  nodeHealth(): Buffer {
    return readValue(this.#object.fd('.data.node_health'), Buffer.alloc(HEALTH.size))
  }

  /** Makes the trie hold exactly these rules. Cheap where nothing changed. */
  setPrefixes(rules: readonly PrefixRule[]): void {
    const map = this.#object.fd('prefixes')
    const wanted = new Map(rules.map((rule) => [prefixKey(rule.prefix), ruleValue(rule)]))
    for (const key of this.#rules.keys()) {
      if (!wanted.has(key)) deleteEntry(map, Buffer.from(key, 'latin1'))
    }
    for (const [key, value] of wanted) {
      if (this.#rules.get(key) !== value) putEntry(map, Buffer.from(key, 'latin1'), Buffer.from(value, 'latin1'))
    }
    this.#rules.clear()
    for (const [key, value] of wanted) this.#rules.set(key, value)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearTimeout(this.#adoptionTimer)
    this.#links[Symbol.dispose]()
    this.#object[Symbol.dispose]()
  }
}

function pair(object: LoadedObject, name: string): Pair {
  return { outer: object.fd(name), inner: [object.fd(`${name}_a`), object.fd(`${name}_b`)], active: 0 }
}

function prefixKey(prefix: Prefix): string {
  const key = Buffer.alloc(PREFIX.size)
  key.writeUInt32LE(prefix.bits, PREFIX.bits)
  key.write(prefix.address, PREFIX.address, 'latin1')
  return key.toString('latin1')
}

function ruleValue(rule: PrefixRule): string {
  const value = Buffer.alloc(PREFIX_RULE.size)
  value.writeUInt32LE(rule.network === undefined ? PEER.peerAddress : PEER.peerNetwork, PREFIX_RULE.peer)
  value.writeUInt32LE(rule.network ?? 0, PREFIX_RULE.network)
  return value.toString('latin1')
}

/** The generated layouts and the object must come from one source. */
function checkLayout(object: LoadedObject, name: string, keySize: number, valueSize: number): void {
  const { bpf } = libbpf()
  const map = object.map(name)
  const key = bpf.bpf_map__key_size(map) as number
  const value = bpf.bpf_map__value_size(map) as number
  if (key !== keySize || value !== valueSize) {
    throw new KernelError(
      `read map ${name}`,
      `its entries are ${key}+${value} bytes, not ${keySize}+${valueSize}`,
      'the kernel object and the program are of different builds: run npm run build',
    )
  }
}

/** The state tracepoint first, so that no connection slips between it and adoption. One failure does not stop the others. */
function attachAll(object: LoadedObject, links: Links, programs: Map<string, BpfProgram>, cgroupRoot: string): readonly Refusal[] {
  const refused: Refusal[] = []
  for (const [name, program] of programs) {
    try {
      if (CGROUP_PROGRAMS.includes(name as (typeof CGROUP_PROGRAMS)[number])) links.attachToCgroup(name, program, cgroupRoot)
      else if (name === 'orb8_walk') links.attachToMap(name, program, object.map('connections'))
      else links.attach(name, program)
    } catch (error) {
      if (!(error instanceof KernelError)) throw error
      refused.push({ program: name, reason: `attach: ${error.reason}`, remedy: error.remedy })
    }
  }
  return refused
}
