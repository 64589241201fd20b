// Rows of what flows did: adds to them, and keeps their open connections true. Knows nothing of limits, nor which flow belongs to
// which row.
import type { FlowCounts, SeriesRow } from '../model.ts'
import type { Column } from './columns.ts'
import type { LabelSet } from './labels.ts'
import type { Ledger } from './ledger.ts'
import { MEASURES, type Measure, type Slot } from './numbers.ts'
import type { Pods } from './pods.ts'
import type { Row } from './row.ts'
import { type Likeness, settle } from './settle.ts'
import { Table } from './table.ts'

const { active } = MEASURES

export class FlowTable extends Table {
  /** By column, what it sums up. */
  readonly #firsts: readonly Measure[]
  readonly #seconds: readonly (Measure | undefined)[]
  readonly #ofTcp: readonly boolean[]
  readonly #likenesses: readonly Likeness[]
  /** Rows that closed more connections than they opened: a subset of the rows. */
  #owing: Set<Row> = new Set()

  constructor(labels: LabelSet, columns: readonly Column[], ledger: Ledger, kind: number, pods: Pods) {
    super(
      labels,
      columns.map((column) => column.series),
      ledger,
      kind,
      pods,
    )
    this.#firsts = columns.map(({ measures: [first] }) => first)
    this.#seconds = columns.map(({ measures: [, second] }) => second)
    this.#ofTcp = columns.map(({ series }) => series.tcpOnly)
    this.#likenesses = [(row) => row.family, (row) => labels.farEnd(row.series.labels), () => '']
  }

  add(row: Row, counts: FlowCounts): void {
    this.move(row)
    this.numbers.addFlow(row.slot, counts, row.tcp)
    if (row.tcp && this.numbers.total(row.slot, active) < 0) this.#owing.add(row)
  }

  override restore(series: SeriesRow, slot: Slot, lines: number, nowMs: number): Row {
    const row = super.restore(series, slot, lines, nowMs)
    if (this.numbers.total(slot, active) < 0) this.#owing.add(row)
    return row
  }

  override unmake(made: ReadonlySet<Row>): void {
    super.unmake(made)
    this.#owing = new Set(this.rows.filter((row) => this.numbers.total(row.slot, active) < 0))
  }

  /** Settles open connections first. */
  override sweep(nowMs: number, idleMs: number): readonly Row[] {
    for (const row of this.#owing) this.#forgive(row)
    const owing = new Set([...this.#owing].sort((one, other) => one.series.id - other.series.id))
    for (const giver of settle(owing, this.rows, this.#likenesses, this.numbers)) this.change(giver)
    this.#owing = owing
    const left = super.sweep(nowMs, idleMs)
    for (const row of left) owing.delete(row)
    return left
  }

  /** What it closes was open in a row that has left with its pod: nobody else had these connections. */
  #forgive(row: Row): void {
    if (row.pod?.left !== true || this.numbers.total(row.slot, active) >= 0) return
    this.numbers.set(row.slot, active, 0)
    this.#owing.delete(row)
  }

  protected override write(row: Row, into: Float64Array, at: number): void {
    const { numbers } = this
    const { slot } = row
    for (let column = 0; column < this.#firsts.length; column++) {
      const first = this.#firsts[column] as Measure
      const second = this.#seconds[column]
      if (this.#ofTcp[column] && !row.tcp) into[at + column] = 0
      else if (first === active) into[at + column] = Math.max(0, numbers.total(slot, active))
      else into[at + column] = numbers.publish(slot, first) + (second === undefined ? 0 : numbers.publish(slot, second))
    }
  }

  /** One with open connections is not idle. */
  protected override stays(row: Row): boolean {
    return this.numbers.total(row.slot, active) > 0
  }
}
