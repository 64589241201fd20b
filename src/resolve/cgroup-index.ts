// Cgroup ids to whose they are, for all directories of the mount and for those that went a while ago. Knows no flows, no Kubernetes.
import { setImmediate } from 'node:timers/promises'
import { Orb8Error } from '../errors.ts'
import { type CgroupIdentity, identifyCgroup } from './cgroup-path.ts'
import { CgroupTree } from './cgroup-tree.ts'
import { CgroupWatches } from './cgroup-watches.ts'
import { GoneCgroups } from './gone-cgroups.ts'

/** Ids that no directory has: each would cost a rescan again once forgotten. */
const MAX_DEAD = 65_536
/** inotify drops events when its queue is full and nobody is told. */
const RECONCILE_MS = 300_000
/** Without enough watches. 10,000 directories take some 100 ms, in slices. */
const RESCAN_MS = 10_000

export interface CgroupIndexOptions {
  /** Monotonic, ms. */
  readonly nowMs?: () => number
  readonly warn?: (message: string) => void
  readonly maxWatches?: number
  readonly maxGone?: number
  readonly reconcileMs?: number
  readonly rescanMs?: number
}

export interface CgroupCounts {
  readonly directories: number
  readonly watches: number
  /** Ids still named after their directory went. */
  readonly gone: number
  /** Forgotten before their ten minutes were over because there were too many. */
  readonly forgotten: number
  /** Ids asked for that no directory has. */
  readonly dead: number
  readonly scans: number
  /** Directories left out because there were too many. */
  readonly overlooked: number
}

interface Entry {
  readonly path: string
  identity: CgroupIdentity | undefined
}

/** Reads the whole mount, then follows it until closed. Throws Orb8Error where the root cannot be read. */
export async function openCgroupIndex(root: string, options: CgroupIndexOptions = {}): Promise<CgroupIndex> {
  const index = new CgroupIndex(root, options)
  await index.rescan()
  if (index.counts().directories > 0) return index
  index.close()
  throw new Orb8Error('read the cgroups', `${root} is no readable directory`, 'see orb8 diagnose')
}

export class CgroupIndex {
  readonly #reconcileMs: number
  readonly #rescanMs: number
  readonly #watches: CgroupWatches
  readonly #tree: CgroupTree
  readonly #live = new Map<bigint, Entry>()
  readonly #gone: GoneCgroups
  readonly #dead = new Set<bigint>()
  #scans = 0
  #scanning: Promise<void> = Promise.resolve()
  #nextScan: Promise<void> | undefined
  #timer: NodeJS.Timeout | undefined
  #closed = false

  constructor(root: string, options: CgroupIndexOptions) {
    this.#gone = new GoneCgroups({ nowMs: options.nowMs ?? (() => performance.now()), most: options.maxGone })
    this.#reconcileMs = options.reconcileMs ?? RECONCILE_MS
    this.#rescanMs = options.rescanMs ?? RESCAN_MS
    this.#watches = new CgroupWatches(options)
    this.#tree = new CgroupTree(root, {
      appeared: (id, path) => this.#appeared(id, path),
      vanished: (id) => this.#vanished(id),
      watch: (path, changed) => this.#watches.watch(path, changed),
    })
  }

  /** The same object for the same cgroup, as long as its directory is there and a minute longer. */
  lookup(id: bigint): CgroupIdentity | undefined {
    const entry = this.#live.get(id)
    if (entry === undefined) return this.#gone.lookup(id)
    entry.identity ??= identifyCgroup(entry.path)
    return entry.identity
  }

  /** To be called before the flows of a collection are resolved: looks once for ids that are new to us, and lets old ones go. */
  async ensure(ids: Iterable<bigint>): Promise<void> {
    this.#gone.letGo()
    const asked = new Set<bigint>()
    for (const id of ids) if (this.#isNew(id)) asked.add(id)
    if (asked.size === 0) return
    // Two turns, so that the loop has polled inotify once: most often the news is there already.
    await setImmediate()
    await setImmediate()
    await this.#tree.settled()
    if (![...asked].some((id) => this.#isNew(id))) return
    await this.rescan()
    for (const id of asked) if (this.#isNew(id)) this.#bury(id)
  }

  /** A scan that starts after this call; who calls while one runs shares the next. */
  rescan(): Promise<void> {
    this.#nextScan ??= this.#scanning
      .then(() => setImmediate())
      .then(() => {
        this.#nextScan = undefined
        this.#scanning = this.#scan()
        return this.#scanning
      })
    return this.#nextScan
  }

  counts(): CgroupCounts {
    return {
      directories: this.#tree.size,
      watches: this.#watches.count,
      gone: this.#gone.size,
      forgotten: this.#gone.forgotten,
      dead: this.#dead.size,
      scans: this.#scans,
      overlooked: this.#tree.overlooked,
    }
  }

  /** Ends all watches and timers. What is known stays to be looked up. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    clearTimeout(this.#timer)
    this.#tree.close()
  }

  async #scan(): Promise<void> {
    if (this.#closed) return
    clearTimeout(this.#timer)
    this.#scans++
    this.#watches.retry()
    await this.#tree.scan()
    this.#gone.letGo()
    if (this.#closed) return
    this.#timer = setTimeout(() => void this.rescan(), this.#watches.full ? this.#rescanMs : this.#reconcileMs).unref()
  }

  #isNew(id: bigint): boolean {
    return id !== 0n && !this.#live.has(id) && !this.#gone.has(id) && !this.#dead.has(id)
  }

  #appeared(id: bigint, path: string): void {
    this.#dead.delete(id)
    this.#gone.delete(id)
    this.#live.set(id, { path, identity: undefined })
  }

  #vanished(id: bigint): void {
    const entry = this.#live.get(id)
    if (entry === undefined) return
    this.#live.delete(id)
    this.#gone.add(id, entry.path, entry.identity)
  }

  #bury(id: bigint): void {
    for (const oldest of this.#dead.size >= MAX_DEAD ? this.#dead : []) {
      this.#dead.delete(oldest)
      break
    }
    this.#dead.add(id)
  }
}
