// The socket datapath as user space sees it: attached, adopted, walked, drained. Knows the programs by name; nothing of labels.
import { KernelError } from '../errors.ts'
import { Control } from './control.ts'
import { type DialNews, DialObservers } from './dial-observers.ts'
import { type Installation, type InstallOptions, install, type Origin } from './installation.ts'
import { runIterator } from './iterator.ts'
import { SHAPED, type Shapes } from './layout-pins.ts'
import { CONTROL, FLOW_COUNTS, FLOW_KEY, HEALTH, PREFIX, PREFIX_RULE, TOTALS } from './layouts.ts'
import { check, type Fd, libbpf } from './libbpf.ts'
import { clearMap, type MapBatch, MapDrain, mapInfo, readValue } from './maps.ts'
import { type Refusal, SOCKET_OBJECT, shapesInObject } from './object.ts'
import { Pair } from './pair.ts'
import type { PinDirectory } from './pins.ts'
import { untilGone } from './predecessors.ts'
import { type PrefixRule, PrefixTrie } from './prefix-trie.ts'
import { withLayout } from './relayout.ts'
import { COPIED_HERE, type HeldMap, heldMaps, tookOver } from './set-aside.ts'

const ENOENT = -2
const LISTENER_BYTES = 8
/** struct htab_elem beside key and value, and a bucket. */
const HASH_ENTRY_BYTES = 64
/** Socket storage of one connection with what the kernel keeps beside it, measured. */
export const SOCKET_BYTES = 400
const LAYOUTS = [
  ['flows_a', FLOW_KEY.size, FLOW_COUNTS.size],
  ['overflow_a', FLOW_KEY.size, FLOW_COUNTS.size],
  ['health_a', FLOW_KEY.size, HEALTH.size],
  ['.data.node_health', 4, HEALTH.size],
  ['prefixes', PREFIX.size, PREFIX_RULE.size],
  ['.data.totals', 4, TOTALS.size],
  ['.data.control', 4, CONTROL.size],
] as const

export interface DatapathOptions extends InstallOptions {
  /** In force before the first socket is seen. */
  readonly prefixes?: readonly PrefixRule[]
  /** CLOCK_MONOTONIC, ns. */
  readonly now?: (() => bigint) | undefined
  /** Monotonic, ms: when the cgroup of the pods was looked for. */
  readonly dialClock?: (() => number) | undefined
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
  /** struct health of what not even the spill map had room for, since the start: its 32-bit counters may come round. */
  readonly nodeHealth: Buffer
}

export interface HeldFlows {
  readonly holds: 'flows' | 'health'
  read(): AsyncGenerator<MapBatch>
  /** It has been counted: it goes. */
  release(): Promise<void> | void
}

export class SocketDatapath implements AsyncDisposable {
  readonly origin: Origin
  readonly flows: Pair
  readonly overflow: Pair
  readonly health: Pair
  readonly healthSpill: Pair
  readonly #installation: Installation
  readonly #trie: PrefixTrie
  readonly #control: Control
  readonly #totals = Buffer.alloc(TOTALS.size)
  readonly #sockets: number
  readonly #pins: PinDirectory | undefined
  readonly #dials: DialObservers

  private constructor(installation: Installation, prepared: Prepared, { cgroupRoot, sockets, pins, dialClock }: DatapathOptions) {
    this.#installation = installation
    this.#trie = prepared.trie
    this.#control = prepared.control
    this.#sockets = sockets
    this.#pins = pins
    this.origin = installation.origin
    const { links, programs } = installation
    const sending = (noted: boolean): void => this.#control.noteDials(noted)
    this.#dials = new DialObservers({ links, programs, cgroupRoot, sending, now: dialClock })
    this.flows = this.#pair('flows')
    this.overflow = this.#pair('overflow')
    this.health = this.#pair('health')
    this.healthSpill = this.#pair('health_spill')
  }

  /**
   * Loads and attaches, or takes over what is pinned, and takes up the connections that are there. Programs that the kernel refuses
   * are left out and told in `refused`. Throws KernelError where nothing can be attached.
   */
  static async start(options: DatapathOptions): Promise<SocketDatapath> {
    let prepared: Prepared | undefined
    const put = (): Installation =>
      install(options, (maps) => {
        prepared = prepare(maps, options)
      })
    let installation = put()
    try {
      await untilGone(installation.predecessors)
      const { takesOver } = installation
      if (options.pins?.writable) await takeOver(installation, options.pins)
      if (takesOver) {
        installation[Symbol.dispose]()
        installation = put()
        await untilGone(installation.predecessors)
      }
      const datapath = new SocketDatapath(installation, prepared as unknown as Prepared, options)
      // Unread: whoever made it ended before that was done.
      if (takesOver || datapath.origin === 'made' || datapath.#control.isUnread) await datapath.#adopt()
      return datapath
    } catch (error) {
      installation[Symbol.dispose]()
      throw error
    }
  }

  /** Programs that do not run, and why. */
  get refused(): readonly Refusal[] {
    return [...this.#installation.refused, ...this.#dials.refused]
  }

  /** Each program, and whether it runs. */
  programs(): Map<string, boolean> {
    const programs = new Map<string, boolean>()
    for (const name of this.#installation.programs.keys()) programs.set(name, true)
    for (const { program } of this.refused) programs.set(program, false)
    return programs
  }

  /** Descriptors of all maps, and of the programs that run where this process may have them, by name. */
  descriptors(): { readonly programs: ReadonlyMap<string, Fd>; readonly maps: ReadonlyMap<string, Fd> } {
    const { programs, maps } = this.#installation
    return { programs: new Map([...programs].filter((program): program is [string, Fd] => program[1] !== undefined)), maps }
  }

  /** Does counting go on where the pins are removed? Not where the links are their owner's alone. */
  get outlivesPins(): boolean {
    return this.#installation.links.held
  }

  /** Of this very set of socket storages: where it differs, all counting began anew. */
  get generation(): number {
    return mapInfo(this.#map('connections')).id
  }

  /** Flow maps of an earlier build or another size, to be counted once. */
  held(): readonly HeldFlows[] {
    const held = this.#pins === undefined ? [] : heldMaps(this.#pins)
    return held.map((map) => ({ holds: map.holds, read: () => readHeld(map), release: map.release }))
  }

  /** Maps that can fill up, and how many entries they take. */
  capacities(): Map<string, number> {
    return new Map([
      ['flows', this.flows.entries],
      ['overflow', this.overflow.entries],
      ['health', this.health.entries],
      ['health_spill', this.healthSpill.entries],
      ['prefixes', mapInfo(this.#map('prefixes')).maxEntries],
    ])
  }

  /** Kernel memory that maps and socket storage take when all are full: known sizes and what an entry costs beside them. */
  memoryLimitBytes(): number {
    const flows = (this.flows.entries + this.overflow.entries) * (FLOW_KEY.size + FLOW_COUNTS.size + HASH_ENTRY_BYTES)
    const health = (this.health.entries + this.healthSpill.entries) * (FLOW_KEY.size + HEALTH.size + HASH_ENTRY_BYTES)
    return 2 * (flows + health) + this.#sockets * SOCKET_BYTES
  }

  prefixCount(): number {
    return this.#trie.size
  }

  /**
   * Tells the programs that somebody reads. Returns for how long nobody had where they rested meanwhile, in ms, else 0; what was
   * opened in the gap is then taken up. Throws KernelError: the next beat does it again.
   */
  async beat(): Promise<number> {
    const gapMs = this.#control.beat()
    if (gapMs === 0) return 0
    await this.#adopt()
    this.#control.endGap()
    return gapMs
  }

  get epoch(): number {
    return this.#control.epoch
  }

  /** To be called where the numbers begin at 0 while the programs go on. */
  beginEpoch(): void {
    this.#control.beginEpoch()
  }

  /** Connections that were there before: by the files of all processes now, by their packets for ten minutes. */
  async #adopt(): Promise<void> {
    const { links } = this.#installation
    if (!links.has('orb8_tcp_state')) return // nobody would end what is taken up
    this.#control.adopt()
    for (const name of ['orb8_find_listeners', 'orb8_adopt_files']) {
      if (links.has(name)) await runIterator(name, links.iterator(name))
    }
    clearMap(this.#map('listeners'), LISTENER_BYTES)
  }

  /**
   * Observes what is dialled above the pods where other programs may rewrite it, and only there. To be called now and then: those programs,
   * and the pods' cgroup, come and go. Answers what has changed. Throws KernelError.
   */
  followDials(): readonly DialNews[] {
    return this.#dials.follow()
  }

  /** Folds what is new at every watched socket into the flow map. */
  async walk(): Promise<void> {
    const { links } = this.#installation
    if (links.has('orb8_walk')) await runIterator('orb8_walk', links.iterator('orb8_walk'))
  }

  totals(): Totals {
    const view = readValue(this.#map('.data.totals'), this.#totals)
    const read = (offset: number): number => Number(view.readBigInt64LE(offset))
    return {
      tracked: read(TOTALS.tracked),
      untrackedLimit: read(TOTALS.untrackedLimit),
      untrackedMemory: read(TOTALS.untrackedMemory),
      overflowFlows: read(TOTALS.overflowFlows),
      overflowBytes: read(TOTALS.overflowBytes),
      nodeOverflow: Buffer.from(view.subarray(TOTALS.nodeOverflow, TOTALS.nodeOverflow + FLOW_COUNTS.size)),
      overflowHealth: read(TOTALS.overflowHealth),
      nodeHealth: readValue(this.#map('.data.node_health'), Buffer.alloc(HEALTH.size)),
    }
  }

  /** Makes the trie hold exactly these rules. Cheap where nothing changed. */
  setPrefixes(rules: readonly PrefixRule[]): void {
    this.#trie.set(rules)
  }

  #map(name: string): Fd {
    return check(`find map ${name}`, this.#installation.maps.get(name) ?? ENOENT) as Fd
  }

  #pair(name: string): Pair {
    return new Pair(this.#map(name), [this.#map(`${name}_a`), this.#map(`${name}_b`)], this.origin !== 'made')
  }

  /** Without pins everything ends here; with them it goes on. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#installation[Symbol.dispose]()
  }
}

async function* readHeld({ fd }: HeldMap): AsyncGenerator<MapBatch> {
  const { keySize, valueSize } = mapInfo(fd)
  yield* new MapDrain(keySize, valueSize).read(fd)
}

/** From programs of another layout, which are gone by now: what they watched, and what they counted. */
async function takeOver({ links, maps, takesOver }: Installation, pins: PinDirectory): Promise<void> {
  if (takesOver) {
    await runIterator('orb8_take_over', links.iterator('orb8_take_over'))
    links.detach('orb8_take_over')
  }
  for (const held of heldMaps(pins)) {
    if (held.layout !== undefined) await translate(held, held.layout, maps)
    libbpf().libc.close(held.fd)
  }
  tookOver(pins)
}

async function translate({ fd, holds, replace }: HeldMap, from: Shapes, maps: ReadonlyMap<string, Fd>): Promise<void> {
  const map = `${holds}_a` as const
  const to = shapesInObject(SOCKET_OBJECT, SHAPED)[map]
  // Of an epoch that is over once the numbers begin.
  await withLayout({ map: fd, from: from[map], to, like: maps.get(map) as Fd, blank: 'epoch', name: COPIED_HERE }, replace)
}

interface Prepared {
  readonly trie: PrefixTrie
  readonly control: Control
}

/** Before the programs run. */
function prepare(maps: ReadonlyMap<string, Fd>, { prefixes, now = process.hrtime.bigint }: DatapathOptions): Prepared {
  checkLayouts(maps)
  const trie = new PrefixTrie(maps.get('prefixes') as Fd)
  if (prefixes !== undefined) trie.set(prefixes)
  return { trie, control: new Control(maps.get('.data.control') as Fd, now) }
}

/** The generated layouts and the maps must come from one source. */
function checkLayouts(maps: ReadonlyMap<string, Fd>): void {
  for (const [name, keySize, valueSize] of LAYOUTS) {
    const info = mapInfo(maps.get(name) as Fd)
    if (info.keySize === keySize && info.valueSize === valueSize) continue
    throw new KernelError(
      `read map ${name}`,
      `its entries are ${info.keySize}+${info.valueSize} bytes, not ${keySize}+${valueSize}`,
      'the kernel object and the program are of different builds: run npm run build',
    )
  }
}
