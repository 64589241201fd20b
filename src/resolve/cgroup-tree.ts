// Mirrors the directories of a cgroup v2 mount by listing and by watching one level at a time. Knows inodes and paths, no meaning.
import { type BigIntStats, readdirSync, statSync } from 'node:fs'
import { setImmediate } from 'node:timers/promises'

/** Work goes on in slices, so that a scrape never waits for a scan of thousands of directories. */
const SLICE_MS = 4
/** A bound for the memory (300 B each), far above what the kernel's own memory for cgroups allows. */
const MAX_DIRECTORIES = 262_144
/** kernfs counts child directories in the link count: 2 means none, and listing forty files is saved. */
const NO_CHILDREN = 2n

export interface CgroupTreeEvents {
  appeared(id: bigint, path: string): void
  vanished(id: bigint): void
  /** Gives what ends the watch; undefined where none can be had. */
  watch(path: string, changed: (name: string) => void): (() => void) | undefined
}

class Directory {
  readonly path: string
  id = 0n
  children: Map<string, Directory> | undefined
  unwatch: (() => void) | undefined
  gone = false

  constructor(path: string) {
    this.path = path
  }
}

export class CgroupTree {
  readonly #mount: string
  readonly #events: CgroupTreeEvents
  readonly #maxDirectories: number
  #root: Directory | undefined
  #size = 0
  #overlooked = 0
  #queue: (() => void)[] = []
  #working = false
  #waiting: (() => void)[] = []
  #closed = false

  constructor(mount: string, events: CgroupTreeEvents, maxDirectories = MAX_DIRECTORIES) {
    this.#mount = mount
    this.#events = events
    this.#maxDirectories = maxDirectories
  }

  get size(): number {
    return this.#size
  }

  /** Directories left out because there were too many, since the start. */
  get overlooked(): number {
    return this.#overlooked
  }

  /** Compares every directory with what is known. Resolves when that, and what came in meanwhile, is done. */
  scan(): Promise<void> {
    this.#enqueue(() => this.#look(undefined, '', true))
    return this.settled()
  }

  /** Resolves once every change heard of so far has been looked at. */
  settled(): Promise<void> {
    return this.#working ? new Promise((done) => this.#waiting.push(done)) : Promise.resolve()
  }

  close(): void {
    this.#closed = true
    if (this.#root !== undefined) this.#drop(undefined, '', this.#root)
  }

  #enqueue(work: () => void): void {
    if (this.#closed) return
    this.#queue.push(work)
    if (!this.#working) void this.#work()
  }

  async #work(): Promise<void> {
    this.#working = true
    let sliceEnd = performance.now() + SLICE_MS
    for (let next = 0; next < this.#queue.length && !this.#closed; next++) {
      this.#queue[next]?.()
      if (performance.now() < sliceEnd) continue
      this.#queue.splice(0, next + 1)
      next = -1
      await setImmediate()
      sliceEnd = performance.now() + SLICE_MS
    }
    this.#queue = []
    this.#working = false
    for (const done of this.#waiting.splice(0)) done()
  }

  /** Takes in what stands at `name` in `parent` (undefined: at the root itself). `deep`: and everything below it. */
  #look(parent: Directory | undefined, name: string, deep: boolean): void {
    if (parent?.gone) return
    const path = parent === undefined ? '/' : parent.path === '/' ? `/${name}` : `${parent.path}/${name}`
    const known = parent === undefined ? this.#root : parent.children?.get(name)
    const found = this.#stat(path)
    if (found === 'unreadable') return
    if (known !== undefined && known.id !== found?.ino) this.#drop(parent, name, known)
    if (found === undefined) return
    if (known?.id !== found.ino) {
      this.#add(parent, name, path)
      return
    }
    // A watch that could not be had before may be had now, and the listing has to come after it.
    const watched = known.unwatch !== undefined
    known.unwatch ??= this.#watch(known)
    if (watched && !deep) return
    if (known.children !== undefined || found.nlink !== NO_CHILDREN) this.#enqueue(() => this.#list(known))
  }

  /** Watches first and looks after: children made in between are then seen by one or the other. */
  #add(parent: Directory | undefined, name: string, path: string): void {
    if (this.#size >= this.#maxDirectories) {
      this.#overlooked++
      return
    }
    const directory = new Directory(path)
    directory.unwatch = this.#watch(directory)
    const found = this.#stat(path)
    if (found === undefined || found === 'unreadable') {
      directory.unwatch?.()
      return
    }
    directory.id = found.ino
    if (parent === undefined) this.#root = directory
    else {
      parent.children ??= new Map()
      parent.children.set(name, directory)
    }
    this.#size++
    this.#events.appeared(directory.id, path)
    if (found.nlink !== NO_CHILDREN) this.#enqueue(() => this.#list(directory))
  }

  #watch(directory: Directory): (() => void) | undefined {
    return this.#events.watch(this.#mount + directory.path, (changed) => this.#enqueue(() => this.#look(directory, changed, false)))
  }

  #list(directory: Directory): void {
    if (directory.gone) return
    const names = new Set<string>()
    try {
      for (const entry of readdirSync(this.#mount + directory.path, { withFileTypes: true })) {
        if (entry.isDirectory()) names.add(entry.name)
      }
    } catch {
      // Gone: its parent's listing says so. Anything else, such as no file descriptor left, is no news about the children.
      return
    }
    for (const [name, child] of directory.children ?? []) if (!names.has(name)) this.#drop(directory, name, child)
    for (const name of names) this.#enqueue(() => this.#look(directory, name, true))
  }

  #drop(parent: Directory | undefined, name: string, top: Directory): void {
    parent?.children?.delete(name)
    if (parent?.children?.size === 0) parent.children = undefined
    if (top === this.#root) this.#root = undefined
    const subtree = [top]
    for (let directory = subtree.pop(); directory !== undefined; directory = subtree.pop()) {
      directory.gone = true
      directory.unwatch?.()
      directory.unwatch = undefined
      this.#size--
      this.#events.vanished(directory.id)
      for (const child of directory.children?.values() ?? []) subtree.push(child)
    }
  }

  #stat(path: string): BigIntStats | undefined | 'unreadable' {
    try {
      const found = statSync(this.#mount + path, { bigint: true, throwIfNoEntry: false })
      return found?.isDirectory() ? found : undefined
    } catch {
      return 'unreadable'
    }
  }
}
