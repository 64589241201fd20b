// Rows that share label names and columns: finds and makes them, lets idle ones go, copies them out.
// Knows nothing of limits, nor which flow belongs to which row, nor what the numbers of a row mean.
import type { SeriesColumn, SeriesRow, SeriesTable } from '../model.ts'
import type { LabelSet } from './labels.ts'
import type { Ledger } from './ledger.ts'
import type { Numbers, Slot } from './numbers.ts'
import { Pile } from './pile.ts'
import type { Pods } from './pods.ts'
import type { Row } from './row.ts'
import { Versions } from './versions.ts'

const NONE: Pick<SeriesTable, 'rows' | 'tcp'> = { rows: [], tcp: new Uint8Array(0) }

export abstract class Table {
  readonly labels: LabelSet
  readonly kind: number
  protected readonly numbers: Numbers
  /** In the order in which they were made. */
  protected rows: Row[] = []
  readonly #columns: readonly SeriesColumn[]
  readonly #ledger: Ledger
  readonly #pods: Pods
  readonly #byKey = new Map<string, Row>()
  /** Rows that moved since the last sweep, once each. */
  readonly #moving = new Pile<Row>()
  /** No row that stands still has done so since before, ms of the store's clock: until then a sweep need not look at them. */
  #stillSinceMs = Number.POSITIVE_INFINITY
  readonly #versions: Versions
  /** What was published last. */
  #published: SeriesTable
  /** Rows that differ from it, once each. */
  readonly #stale = new Pile<Row>()
  /** Rows left it, or begin at another time: what it lists is of no use to the next. */
  #unlisted = false
  /** No row starts later, ms since the epoch. */
  #lastStartMs = 0

  /** `kind`: of this table alone in the ledger. */
  constructor(labels: LabelSet, columns: readonly SeriesColumn[], ledger: Ledger, kind: number, pods: Pods) {
    this.labels = labels
    this.kind = kind
    this.numbers = ledger.numbers
    this.#columns = columns
    this.#ledger = ledger
    this.#pods = pods
    this.#versions = new Versions(columns.length)
    this.#published = { labelNames: labels.names, columns, rows: [], tcp: new Uint8Array(0), values: new Float64Array(0) }
  }

  /** Writes what is published of a row, a number a column. */
  protected abstract write(row: Row, into: Float64Array, at: number): void

  /** Must the row stay, however long it has not moved? */
  protected abstract stays(row: Row): boolean

  /** Sample lines of one row. */
  linesOf(values: readonly string[]): number {
    const tcp = this.labels.tcp(values)
    return this.#columns.reduce((lines, column) => lines + (tcp || !column.tcpOnly ? samplesOf(column) : 0), 0)
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
  restore(series: SeriesRow, slot: Slot, lines: number, nowMs: number): Row {
    if (this.numbers.moved(slot) > nowMs) this.numbers.setMoved(slot, nowMs)
    return this.#enter(series, slot, lines, false)
  }

  /** As if rows made since the ledger's last commit had never been, once it was rolled back. */
  unmake(made: ReadonlySet<Row>): void {
    for (const row of this.rows) if (made.has(row)) this.#drop(row)
    if (made.size > 0) this.rows = this.rows.filter((row) => !row.gone)
  }

  /** Its numbers changed by what it did. */
  protected move(row: Row): void {
    this.#outdate(row)
    if (row.moved) return
    row.moved = true
    this.#moving.put(row)
  }

  /** Its numbers changed while it stood still: it may be one that need not stay any more. */
  protected change(row: Row): void {
    this.#outdate(row)
    this.#stillSinceMs = Math.min(this.#stillSinceMs, this.numbers.moved(row.slot))
  }

  /**
   * Ends a collection: takes out and returns the rows that have not moved for `idleMs` and may go, and those whose pod is gone for good.
   * `nowMs` is of the monotonic clock.
   */
  sweep(nowMs: number, idleMs: number): readonly Row[] {
    const moving = this.#moving.take()
    for (let index = 0; index < moving.length; index++) {
      const row = moving[index] as Row
      if (!row.gone) this.numbers.setMoved(row.slot, nowMs)
    }
    if (moving.length > 0) this.#stillSinceMs = Math.min(this.#stillSinceMs, nowMs)
    const someMayGo = nowMs - this.#stillSinceMs >= idleMs || this.#pods.someAreDue
    const left = someMayGo ? this.#takeOut(nowMs, idleMs) : []
    for (let index = 0; index < moving.length; index++) (moving[index] as Row).moved = false
    return left
  }

  /**
   * The wall clock was set back to `nowMs`, ms since the epoch: no row starts later than what it is published with. Done once for each
   * row, so that its start does not move with every copy.
   */
  startBy(nowMs: number): void {
    if (this.#lastStartMs <= nowMs) return
    for (const row of this.rows) if (row.series.startMs > nowMs) row.series = { ...row.series, startMs: nowMs }
    this.#lastStartMs = nowMs
    this.#unlisted = true
  }

  /** What later adds do not change; the same object while there are none. */
  publish(): SeriesTable {
    const stale = this.#takeStale()
    if (stale.length === 0 && !this.#unlisted) return this.#published
    if (this.#unlisted) this.#versions.rearrange(this.rows)
    const listed = this.#list()
    const version = this.#versions.next(this.rows.length, stale, (row, into, at) => this.write(row, into, at))
    this.#unlisted = false
    this.#published = {
      labelNames: this.labels.names,
      columns: this.#columns,
      ...listed,
      get values() {
        return version.values()
      },
    }
    return this.#published
  }

  /** Those that have not left. */
  #takeStale(): readonly Row[] {
    const stale = this.#stale.take()
    let someLeft = false
    for (let index = 0; index < stale.length; index++) {
      const row = stale[index] as Row
      row.stale = false
      someLeft ||= row.gone
    }
    return someLeft ? stale.filter(({ gone }) => !gone) : stale
  }

  /** Rows come at the end: those that were published need not be looked at again. Gives the others their places. */
  #list(): Pick<SeriesTable, 'rows' | 'tcp'> {
    const { rows, tcp } = this.#unlisted ? NONE : this.#published
    if (rows.length === this.rows.length) return { rows, tcp }
    const more = this.rows.slice(rows.length)
    for (const [index, row] of more.entries()) row.place = rows.length + index
    const longer = new Uint8Array(this.rows.length)
    longer.set(tcp)
    for (const row of more) if (row.tcp) longer[row.place] = 1
    return { rows: rows.concat(more.map(({ series }) => series)), tcp: longer }
  }

  /** Looks at every row. */
  #takeOut(nowMs: number, idleMs: number): readonly Row[] {
    const left: Row[] = []
    let stillSinceMs = Number.POSITIVE_INFINITY
    for (const row of this.rows) {
      const movedMs = this.numbers.moved(row.slot)
      const leaves = !row.moved && this.#pods.leaves(row.pod, nowMs - movedMs)
      if (!leaves && (row.moved || nowMs - movedMs < idleMs)) {
        stillSinceMs = Math.min(stillSinceMs, movedMs)
      } else if (leaves || !this.stays(row)) {
        this.#drop(row)
        left.push(row)
      }
    }
    this.#stillSinceMs = stillSinceMs
    if (left.length > 0) this.rows = this.rows.filter((row) => !row.gone)
    return left
  }

  #outdate(row: Row): void {
    if (row.stale) return
    row.stale = true
    this.#stale.put(row)
  }

  #enter(series: SeriesRow, slot: Slot, lines: number, moved: boolean): Row {
    const { labels } = series
    const key = this.labels.key(labels)
    const family = this.labels.key(this.labels.widen(labels))
    const tcp = this.labels.tcp(labels)
    const catchAll = this.labels.catchAll(labels)
    const { namespace, name } = this.labels.pod(labels)
    const pod = this.#pods.have(namespace, name)
    const row: Row = { slot, gone: false, moved, stale: true, tcp, place: 0, series, key, family, pod, catchAll, lines }
    this.#byKey.set(key, row)
    this.rows.push(row)
    this.#stale.put(row)
    if (moved) this.#moving.put(row)
    else this.#stillSinceMs = Math.min(this.#stillSinceMs, this.numbers.moved(slot))
    this.#lastStartMs = Math.max(this.#lastStartMs, series.startMs)
    return row
  }

  /** All but its place in `rows`. */
  #drop(row: Row): void {
    row.gone = true
    this.#unlisted = true
    this.#byKey.delete(row.key)
    if (row.pod !== undefined) this.#pods.giveBack(row.pod)
    this.#ledger.free(row.slot)
  }
}

/** A histogram's sum is written with its count. */
function samplesOf({ metric, bound }: SeriesColumn): number {
  return metric.type === 'histogram' && bound === undefined ? 2 : 1
}
