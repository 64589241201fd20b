// What the collector has taken of one row, cell by cell, and until when: differences are taken against it. What it may have taken,
// because its answer never came, is offered again just as it was: with the same times a reader can tell that it has it already.

/** `taken`: it has them. `doubtful`: nobody knows. `invalid`: it has not, and never will as they are. */
export type Settled = 'taken' | 'doubtful' | 'invalid'

/** A difference on its way. */
export interface Difference {
  readonly startMs: number
  readonly endMs: number
  /** Of the cell's column so far from its first. */
  readonly value: (column: number) => number
  /** To be called at most once, as soon as it is known. */
  readonly settle: (how: Settled) => void
}

export class Book {
  /** Totals by column. */
  readonly #taken: Float64Array
  /** By cell; 0: nothing was taken yet. */
  readonly #untilMs: Float64Array
  /** Totals of doubtful differences, and by cell until when they are; 0: nothing is in doubt. */
  #offered: Float64Array | undefined
  readonly #offeredMs: Float64Array

  constructor(columns: number, cells: number) {
    this.#taken = new Float64Array(columns)
    this.#untilMs = new Float64Array(cells)
    this.#offeredMs = new Float64Array(cells)
  }

  take(cell: number, column: number, totals: ArrayLike<number>, untilMs: number): void {
    this.#taken.set(totals, column)
    this.#untilMs[cell] = untilMs
    this.#offeredMs[cell] = 0
  }

  /**
   * What is to be told of a cell whose columns begin at `column`; undefined where nothing was added. `startMs`: of the row. `totals`
   * must not change later.
   */
  difference(cell: number, column: number, totals: ArrayLike<number>, startMs: number, timeMs: number): Difference | undefined {
    const from = this.#untilMs[cell] === 0 ? startMs : (this.#untilMs[cell] as number)
    const offeredMs = this.#offeredMs[cell] as number
    const offered = offeredMs === 0 ? undefined : this.#offered?.slice(column, column + totals.length)
    if (offered === undefined && !this.#rose(column, totals)) return undefined
    const told = offered ?? totals
    const endMs = offered === undefined ? Math.max(timeMs, from) : offeredMs
    return {
      startMs: from,
      endMs,
      value: (index) => (told[index] as number) - (this.#taken[column + index] as number),
      settle: (how) => {
        if (how === 'taken') this.take(cell, column, told, endMs)
        else if (how === 'invalid') this.#offeredMs[cell] = 0
        else {
          this.#offered ??= new Float64Array(this.#taken.length)
          this.#offered.set(told, column)
          this.#offeredMs[cell] = endMs
        }
      },
    }
  }

  #rose(column: number, totals: ArrayLike<number>): boolean {
    for (let index = 0; index < totals.length; index++) if ((totals[index] as number) > (this.#taken[column + index] as number)) return true
    return false
  }
}
