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
    this.#latest?.precede(next, changed, this.#width)
    this.#latest = next
    const { numbers } = this.#live
    for (let index = 0; index < changed.length; index++) {
      const row = changed[index] as T
      write(row, numbers, row.place * this.#width)
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

interface Change {
  readonly next: LazyVersion
  /** Where numbers were overwritten, `width` from each of these on, and what they were. */
  readonly starts: Uint32Array
  readonly width: number
  readonly before: Float64Array
}

class LazyVersion implements Version {
  readonly #live: Live
  readonly #length: number
  #copy: Float64Array<ArrayBuffer> | undefined
  /** What the next version made of it. */
  #change: Change | undefined

  constructor(live: Live, length: number) {
    this.#live = live
    this.#length = length
  }

  /** To be called before the change is made. */
  precede(next: LazyVersion, changed: readonly Placed[], width: number): void {
    if (this.#copy !== undefined) return
    const starts = new Uint32Array(changed.length)
    const before = new Float64Array(changed.length * width)
    const { numbers } = this.#live
    let count = 0
    for (let index = 0; index < changed.length; index++) {
      const start = (changed[index] as Placed).place * width
      if (start >= this.#length) continue
      for (let column = 0; column < width; column++) before[count * width + column] = numbers[start + column] as number
      starts[count++] = start
    }
    this.#change = { next, starts: starts.subarray(0, count), width, before }
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
    for (const change of changes.reverse()) takeBack(this.#copy, change)
    this.#change = undefined
    return this.#copy
  }
}

/** What is beyond the end came later. */
function takeBack(numbers: Float64Array, { starts, width, before }: Change): void {
  for (let index = 0; index < starts.length; index++) {
    const start = starts[index] as number
    if (start >= numbers.length) continue
    for (let column = 0; column < width; column++) numbers[start + column] = before[index * width + column] as number
  }
}
