// The numbers of a table's rows as they were at each publishing: copied only for whoever looks, until then known by what was changed
// since. Knows places and numbers; nothing of what they mean.

/** Has a place among the rows. */
export interface Placed {
  place: number
}

/** As it was, however much is written later. */
export interface Version {
  /** The same array every time. Where there are many numbers the first time takes some milliseconds. */
  values(): Float64Array<ArrayBuffer>
}

export class Versions {
  readonly #width: number
  /** Of the latest version, with room for more. */
  readonly #live: Live = { numbers: new Float64Array(0) }
  #latest: LazyVersion | undefined
  /** Rows that are held of what was changed, since the last copy. */
  #held = 0

  /** `width`: numbers a row. */
  constructor(width: number) {
    this.#width = width
  }

  /**
   * One more version, of so many rows, no fewer than before; those in `changed` are written anew, among them all that are new.
   * Versions that nobody looks at hold no more than a copy together, and the one that was made to keep it so.
   */
  next<T extends Placed>(rows: number, changed: readonly T[], write: (row: T, into: Float64Array, at: number) => void): Version {
    this.#held += changed.length
    if (this.#held > rows) this.#settle()
    this.#grow(rows * this.#width)
    const next = new LazyVersion(this.#live, rows * this.#width)
    const change = this.#latest?.precede(next, changed.length, this.#width)
    this.#latest = next
    const { numbers } = this.#live
    for (let index = 0; index < changed.length; index++) {
      const row = changed[index] as T
      const start = row.place * this.#width
      change?.keep(numbers, start)
      write(row, numbers, start)
    }
    return next
  }

  /** Gives rows new places, in this order. Rows that had none are the next version's to write. */
  rearrange(rows: readonly Placed[]): void {
    this.#settle()
    this.#latest = undefined
    const before = this.#live.numbers
    const width = this.#width
    const numbers = new Float64Array(rows.length * width)
    for (const [place, row] of rows.entries()) {
      const from = row.place * width
      for (let column = 0; column < width; column++) numbers[place * width + column] = before[from + column] ?? 0
      row.place = place
    }
    this.#live.numbers = numbers
  }

  /** From here on nothing that was published depends on what will change. */
  #settle(): void {
    this.#latest?.values()
    this.#held = 0
  }

  #grow(length: number): void {
    const { numbers } = this.#live
    if (numbers.length >= length) return
    this.#live.numbers = new Float64Array(Math.ceil(length * ROOM))
    this.#live.numbers.set(numbers)
  }
}

/** Rows come a few at a time. */
const ROOM = 1.25

interface Live {
  numbers: Float64Array<ArrayBuffer>
}

/** What the next version makes of one. */
class Change {
  readonly next: LazyVersion
  readonly #width: number
  /** Numbers of the version that is changed. */
  readonly #length: number
  /** Where numbers are overwritten, `width` from each of these on, and what they were. */
  readonly #starts: Uint32Array
  readonly #before: Float64Array
  #count = 0

  /** `rows`: changed at most. */
  constructor(next: LazyVersion, length: number, rows: number, width: number) {
    this.next = next
    this.#width = width
    this.#length = length
    this.#starts = new Uint32Array(rows)
    this.#before = new Float64Array(rows * width)
  }

  /** Before they are overwritten. What is beyond the end is new. */
  keep(numbers: Float64Array, start: number): void {
    if (start >= this.#length) return
    const at = this.#count * this.#width
    for (let column = 0; column < this.#width; column++) this.#before[at + column] = numbers[start + column] as number
    this.#starts[this.#count++] = start
  }

  /** What is beyond the end came later. */
  takeBack(numbers: Float64Array): void {
    for (let index = 0; index < this.#count; index++) {
      const start = this.#starts[index] as number
      if (start >= numbers.length) continue
      const at = index * this.#width
      for (let column = 0; column < this.#width; column++) numbers[start + column] = this.#before[at + column] as number
    }
  }
}

class LazyVersion implements Version {
  readonly #live: Live
  readonly #length: number
  #copy: Float64Array<ArrayBuffer> | undefined
  #change: Change | undefined

  constructor(live: Live, length: number) {
    this.#live = live
    this.#length = length
  }

  /** What the next version changes is to be kept there; undefined where nobody needs it any more. */
  precede(next: LazyVersion, rows: number, width: number): Change | undefined {
    if (this.#copy === undefined) this.#change = new Change(next, this.#length, rows, width)
    return this.#change
  }

  values(): Float64Array<ArrayBuffer> {
    if (this.#copy !== undefined) return this.#copy
    const changes: Change[] = []
    let last: LazyVersion = this
    for (let change = this.#change; change !== undefined; change = last.#change) {
      changes.push(change)
      last = change.next
    }
    this.#copy = (last.#copy ?? this.#live.numbers).slice(0, this.#length)
    for (const change of changes.reverse()) change.takeBack(this.#copy)
    this.#change = undefined
    return this.#copy
  }
}
