// Two maps of one shape under an array of maps: programs fill one, user space reads the other, empties it, and swaps them.
// Knows which is which, also after a restart; nothing of what they hold.
import type { Fd } from './libbpf.ts'
import { innerId, isEmptyInThread, type MapBatch, MapDrain, mapInfo, replaceInner } from './maps.ts'

export class Pair {
  readonly entries: number
  readonly #outer: Fd
  readonly #inner: readonly [Fd, Fd]
  readonly #keySize: number
  readonly #drain: MapDrain
  #active: 0 | 1
  #pending: boolean

  /** `pending`: may the map that is not filled hold something, from an earlier process? */
  constructor(outer: Fd, inner: readonly [Fd, Fd], pending: boolean) {
    const { id, keySize, valueSize, maxEntries } = mapInfo(inner[0])
    this.#outer = outer
    this.#inner = inner
    this.#keySize = keySize
    this.#drain = new MapDrain(keySize, valueSize)
    this.#active = innerId(outer) === id ? 0 : 1
    this.#pending = pending
    this.entries = maxEntries
  }

  /** Does the map that is not filled hold something? */
  get pending(): boolean {
    return this.#pending
  }

  /**
   * From here on programs fill the other map. Waits for an RCU grace period. Does nothing while what they filled before is pending, and
   * where they have filled nothing: what they fill from now on is for the next time.
   */
  async swap(): Promise<void> {
    if (this.#pending || (await isEmptyInThread(this.#inner[this.#active], this.#keySize))) return
    const next = this.#active === 0 ? 1 : 0
    this.#pending = true
    await replaceInner(this.#outer, this.#inner[next])
    this.#active = next
  }

  /** What is pending, without taking it out. */
  async *read(): AsyncGenerator<MapBatch> {
    if (this.#pending) yield* this.#drain.read(this.#idle)
  }

  /** Takes out what is pending. */
  async empty(): Promise<void> {
    await this.#drain.empty(this.#idle)
    this.#pending = false
  }

  get #idle(): Fd {
    return this.#inner[this.#active === 0 ? 1 : 0]
  }
}
