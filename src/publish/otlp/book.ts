// What the collector has taken of one row, cell by cell, and until when: differences are taken against it.

export class Book {
  /** Totals by column. */
  readonly #taken: Float64Array
  /** By cell; 0: nothing was taken yet. */
  readonly #untilMs: Float64Array

  constructor(columns: number, cells: number) {
    this.#taken = new Float64Array(columns)
    this.#untilMs = new Float64Array(cells)
  }

  /** Where the next difference of a cell begins. */
  startMs(cell: number, startMs: number): number {
    const until = this.#untilMs[cell] as number
    return until === 0 ? startMs : until
  }

  difference(column: number, total: number): number {
    return total - (this.#taken[column] as number)
  }

  take(cell: number, column: number, totals: ArrayLike<number>, untilMs: number): void {
    this.#taken.set(totals, column)
    this.#untilMs[cell] = untilMs
  }
}
