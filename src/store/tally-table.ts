// Rows of what can only be counted up: failures, drops, how often a time fell into a bucket. A column is a number of the slot.
// Knows nothing of limits, nor which flow belongs to which row.
import type { SeriesColumn } from '../model.ts'
import type { LabelSet } from './labels.ts'
import type { Ledger } from './ledger.ts'
import { TALLIES } from './numbers.ts'
import type { Pods } from './pods.ts'
import type { Row } from './row.ts'
import { Table } from './table.ts'

export class TallyTable extends Table {
  readonly #width: number

  /** The ledger has to know `kind` as one of tallies. */
  constructor(labels: LabelSet, columns: readonly SeriesColumn[], ledger: Ledger, kind: number, pods: Pods) {
    if (columns.length > TALLIES) throw new RangeError(`a slot has ${TALLIES} tallies, not ${columns.length}`)
    super(labels, columns, ledger, kind, pods)
    this.#width = columns.length
  }

  /** One for each column, none negative. */
  add(row: Row, deltas: readonly number[]): void {
    this.move(row)
    for (let column = 0; column < this.#width; column++) this.numbers.addTally(row.slot, column, deltas[column] ?? 0)
  }

  protected override write(row: Row, into: Float64Array, at: number): void {
    for (let column = 0; column < this.#width; column++) into[at + column] = this.numbers.tally(row.slot, column)
  }

  protected override stays(): boolean {
    return false
  }
}
