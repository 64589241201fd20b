// Rows that share label names and columns: finds and makes them, adds to them, lets idle ones go, copies them out.
// Knows nothing of limits, nor which flow belongs to which row.
import type { FlowCounts, SeriesRow, SeriesTable } from '../model.ts'
import type { Column } from './columns.ts'
import type { LabelSet } from './labels.ts'
import type { Ledger } from './ledger.ts'
import { MEASURES, type Numbers, type Slot } from './numbers.ts'
import type { Row } from './row.ts'
import { type Likeness, settle } from './settle.ts'

const { sentBytes, receivedBytes, sentPackets, receivedPackets, active, opened, closed, retransmitted } = MEASURES

export class Table {
  readonly labels: LabelSet
  readonly kind: number
  readonly #columns: readonly Column[]
  readonly #measures: readonly Column['measures'][]
  readonly #ledger: Ledger
  readonly #numbers: Numbers
  readonly #likenesses: readonly Likeness[]
  readonly #byKey = new Map<string, Row>()
  /** In the order in which they were made. */
  #rows: Row[] = []
  /** All of a copy but its values, while no row comes or goes. */
  #listed: Omit<SeriesTable, 'values'> | undefined
  /** No row starts later, ms since the epoch. */
  #lastStartMs = 0
  /** Rows that closed more connections than they opened: a subset of the rows. */
  #owing: Set<Row> = new Set()

  /** `kind`: of this table alone in the ledger. */
  constructor(labels: LabelSet, columns: readonly Column[], ledger: Ledger, kind: number) {
    this.labels = labels
    this.#columns = columns
    this.#measures = columns.map((column) => column.measures)
    this.kind = kind
    this.#ledger = ledger
    this.#numbers = ledger.numbers
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

  /**
   * Makes a row for labels that have none, or answers undefined where the ledger has no slot for it. `lines`: what it takes of the
   * limit. `reserved`: see Ledger.take.
   */
  make(series: SeriesRow, lines: number, reserved = false): Row | undefined {
    const { id, labels, startMs } = series
    const slot = this.#ledger.take({ kind: this.kind, id, labels, startMs }, reserved)
    return slot === undefined ? undefined : this.#enter(series, slot, lines, true)
  }

  /** A row that the ledger kept, younger than all that the table has. */
  restore(series: SeriesRow, slot: Slot, lines: number, nowMs: number): void {
    if (this.#numbers.moved(slot) > nowMs) this.#numbers.setMoved(slot, nowMs)
    const row = this.#enter(series, slot, lines, false)
    if (this.#numbers.total(slot, active) < 0) this.#owing.add(row)
  }

  /** As if rows made since the ledger's last commit had never been, once it was rolled back. */
  unmake(made: ReadonlySet<Row>): void {
    for (const row of this.#rows) if (made.has(row)) this.#drop(row)
    if (made.size > 0) this.#rows = this.#rows.filter((row) => !row.gone)
    this.#owing.clear()
    for (const row of this.#rows) if (this.#numbers.total(row.slot, active) < 0) this.#owing.add(row)
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
    const numbers = this.#numbers
    const owing = new Set([...this.#owing].sort((one, other) => one.series.id - other.series.id))
    settle(owing, this.#rows, this.#likenesses, numbers)
    this.#owing = owing
    const left: Row[] = []
    for (const row of this.#rows) {
      if (row.moved) {
        row.moved = false
        numbers.setMoved(row.slot, nowMs)
      } else if (nowMs - numbers.moved(row.slot) >= idleMs && numbers.total(row.slot, active) <= 0) {
        this.#drop(row)
        left.push(row)
      }
    }
    if (left.length > 0) this.#rows = this.#rows.filter((row) => !row.gone)
    return left
  }

  /**
   * The wall clock was set back to `nowMs`, ms since the epoch: no row starts later than what it is published with. Done once for each
   * row, so that its start does not move with every copy.
   */
  startBy(nowMs: number): void {
    if (this.#lastStartMs <= nowMs) return
    for (const row of this.#rows) if (row.series.startMs > nowMs) row.series = { ...row.series, startMs: nowMs }
    this.#lastStartMs = nowMs
    this.#listed = undefined
  }

  /** A copy that later adds do not change. */
  publish(): SeriesTable {
    const numbers = this.#numbers
    const columns = this.#columns
    const measures = this.#measures
    const values = new Float64Array(this.#rows.length * columns.length)
    let at = 0
    for (const row of this.#rows) {
      for (const [first, second] of measures) {
        if (first === active) values[at++] = Math.max(0, numbers.total(row.slot, active))
        else values[at++] = numbers.publish(row.slot, first) + (second === undefined ? 0 : numbers.publish(row.slot, second))
      }
    }
    this.#listed ??= {
      labelNames: this.labels.names,
      columns: columns.map((column) => column.series),
      rows: this.#rows.map((row) => row.series),
      tcp: Uint8Array.from(this.#rows, (row) => (row.tcp ? 1 : 0)),
    }
    return { ...this.#listed, values }
  }

  #enter(series: SeriesRow, slot: Slot, lines: number, moved: boolean): Row {
    const { labels } = series
    const key = this.labels.key(labels)
    const family = this.labels.key(this.labels.widen(labels))
    const tcp = this.labels.tcp(labels)
    const catchAll = this.labels.catchAll(labels)
    const row: Row = { series, key, family, slot, tcp, catchAll, lines, moved, gone: false }
    this.#byKey.set(key, row)
    this.#rows.push(row)
    this.#lastStartMs = Math.max(this.#lastStartMs, series.startMs)
    this.#listed = undefined
    return row
  }

  /** All but its place in `#rows`. */
  #drop(row: Row): void {
    row.gone = true
    this.#listed = undefined
    this.#byKey.delete(row.key)
    this.#owing.delete(row)
    this.#ledger.free(row.slot)
  }
}
