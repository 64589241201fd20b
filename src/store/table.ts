// Rows that share label names and columns: finds and makes them, adds to them, lets idle ones go, copies them out.
// Knows nothing of limits, nor which flow belongs to which row.
import type { FlowCounts, SeriesRow, SeriesTable } from '../model.ts'
import type { Column } from './columns.ts'
import type { LabelSet } from './labels.ts'
import { MEASURES, type Numbers } from './numbers.ts'
import type { Row } from './row.ts'
import { type Likeness, settle } from './settle.ts'

const { sentBytes, receivedBytes, sentPackets, receivedPackets, active, opened, closed, retransmitted } = MEASURES

export class Table {
  readonly labels: LabelSet
  readonly #columns: readonly Column[]
  readonly #numbers: Numbers
  readonly #likenesses: readonly Likeness[]
  readonly #byKey = new Map<string, Row>()
  /** In the order in which they were made. */
  #rows: Row[] = []
  /** Rows that closed more connections than they opened: a subset of the rows. */
  readonly #owing = new Set<Row>()

  constructor(labels: LabelSet, columns: readonly Column[], numbers: Numbers) {
    this.labels = labels
    this.#columns = columns
    this.#numbers = numbers
    this.#likenesses = [(row) => row.family, (row) => labels.farEnd(row.series.labels), () => '']
  }

  /** Sample lines of one row. */
  linesOf(values: readonly string[]): number {
    const tcp = this.labels.tcp(values)
    return this.#columns.filter((column) => tcp || !column.series.tcpOnly).length
  }

  find(key: string): Row | undefined {
    return this.#byKey.get(key)
  }

  /** Makes a row for a key that has none. `lines`: what it takes of the limit. */
  make(key: string, family: string, series: SeriesRow, lines: number): Row {
    const slot = this.#numbers.take()
    const tcp = this.labels.tcp(series.labels)
    const catchAll = this.labels.catchAll(series.labels)
    const row: Row = { series, key, family, slot, tcp, catchAll, lines, moved: true, movedMs: 0, gone: false }
    this.#byKey.set(key, row)
    this.#rows.push(row)
    return row
  }

  add(row: Row, counts: FlowCounts): void {
    const numbers = this.#numbers
    const { slot } = row
    row.moved = true
    numbers.add(slot, sentBytes, counts.sentBytes)
    numbers.add(slot, receivedBytes, counts.receivedBytes)
    numbers.add(slot, sentPackets, counts.sentPackets)
    numbers.add(slot, receivedPackets, counts.receivedPackets)
    if (!row.tcp) return
    numbers.add(slot, active, counts.opened + counts.adopted - counts.closed)
    numbers.add(slot, opened, counts.opened)
    numbers.add(slot, closed, counts.closed)
    numbers.add(slot, retransmitted, counts.retransmitted)
    if (numbers.total(slot, active) < 0) this.#owing.add(row)
  }

  /**
   * Ends a collection: settles open connections, then takes out and returns the rows that have not moved for `idleMs` and have
   * none open. `nowMs` is of the monotonic clock.
   */
  sweep(nowMs: number, idleMs: number): readonly Row[] {
    settle(this.#owing, this.#rows, this.#likenesses, this.#numbers)
    const left: Row[] = []
    for (const row of this.#rows) {
      if (row.moved) {
        row.moved = false
        row.movedMs = nowMs
      } else if (nowMs - row.movedMs >= idleMs && this.#numbers.total(row.slot, active) <= 0) {
        row.gone = true
        this.#byKey.delete(row.key)
        this.#owing.delete(row)
        this.#numbers.free(row.slot)
        left.push(row)
      }
    }
    if (left.length > 0) this.#rows = this.#rows.filter((row) => !row.gone)
    return left
  }

  /** A copy that later adds do not change. */
  publish(): SeriesTable {
    const numbers = this.#numbers
    const columns = this.#columns
    const values = new Float64Array(this.#rows.length * columns.length)
    const tcp = new Uint8Array(this.#rows.length)
    let at = 0
    let index = 0
    for (const row of this.#rows) {
      tcp[index++] = row.tcp ? 1 : 0
      for (const { measures } of columns) {
        const [first, second] = measures
        if (first === active) values[at++] = Math.max(0, numbers.total(row.slot, active))
        else values[at++] = numbers.publish(row.slot, first) + (second === undefined ? 0 : numbers.publish(row.slot, second))
      }
    }
    return {
      labelNames: this.labels.names,
      columns: columns.map((column) => column.series),
      rows: this.#rows.map((row) => row.series),
      tcp,
      values,
    }
  }
}
