// Watches directories, one level each, within inotify's limits. Says when it may watch no more; knows nothing of cgroups' meaning.
import { type FSWatcher, watch } from 'node:fs'

/** A watch costs 1.4 kB here and about as much in the kernel: 23 MB at most. Nodes have some hundreds of cgroups. */
const MAX_WATCHES = 16_384

export interface CgroupWatchesOptions {
  readonly maxWatches?: number
  readonly warn?: (message: string) => void
}

export class CgroupWatches {
  readonly #maxWatches: number
  readonly #warn: (message: string) => void
  #count = 0
  #full = false
  #told = false

  constructor(options: CgroupWatchesOptions = {}) {
    this.#maxWatches = options.maxWatches ?? MAX_WATCHES
    this.#warn = options.warn ?? (() => {})
  }

  get count(): number {
    return this.#count
  }

  /** Was a watch refused since the last `retry`? */
  get full(): boolean {
    return this.#full
  }

  /** Lets the next `watch` try again after a refusal. */
  retry(): void {
    this.#full = false
  }

  /** Calls `changed` with the name of each entry made or removed in `path`. Gives what ends it; undefined where it cannot watch. */
  watch(path: string, changed: (name: string) => void): (() => void) | undefined {
    if (this.#full) return undefined
    if (this.#count >= this.#maxWatches) return this.#refuse(`${this.#maxWatches} directories are watched, no more will be`)
    let watcher: FSWatcher
    try {
      watcher = watch(path, { persistent: false })
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException
      if (code === 'ENOSPC') return this.#refuse('inotify has no watch left: raise fs.inotify.max_user_watches with sysctl')
      if (code === 'EMFILE') return this.#refuse('inotify has no instance left: raise fs.inotify.max_user_instances with sysctl')
      if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
      return this.#refuse(`inotify refuses ${path}: ${message}`)
    }
    this.#count++
    watcher.on('change', (event, name) => {
      if (event === 'rename' && name !== null) changed(name.toString())
    })
    let ended = false
    const end = (): void => {
      if (ended) return
      ended = true
      this.#count--
      watcher.close()
    }
    watcher.on('error', end)
    return end
  }

  #refuse(why: string): undefined {
    this.#full = true
    if (!this.#told) this.#warn(`cannot watch all cgroups, rescanning them instead: ${why}`)
    this.#told = true
    return undefined
  }
}
