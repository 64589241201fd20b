// Tells the push's thread of a snapshot: a row's labels once, in pages, and the values every time. Runs in the exporter's thread;
// knows nothing of OpenTelemetry.
import type { SeriesRow, SeriesTable, Snapshot } from '../../model.ts'
import { type RowRecord, SEPARATOR, type ToPush } from './messages.ts'

/** Rows a page: some 300 us of joining and cloning. */
const PAGE_ROWS = 1000
/** Rows that left and wait for the next export. More than leave in a minute on any node; 2 MB. */
const MAX_LEFT = 10_000

interface Leaver {
  readonly record: RowRecord
  readonly values: Float64Array
}

/** Of one table, what the push's thread knows. */
interface Told {
  shape: boolean
  rows: readonly SeriesRow[]
  ids: ReadonlySet<number>
  left: Leaver[]
}

function tablesOf({ flows, containers, health }: Snapshot): readonly SeriesTable[] {
  return [flows, containers, ...health]
}

export class Feed {
  readonly #deltas: boolean
  readonly #told: Told[] = []
  #latest: Snapshot | undefined
  #lost = 0

  /** `deltas`: rows that leave have a last difference to deliver. */
  constructor(deltas: boolean) {
    this.#deltas = deltas
  }

  get latest(): Snapshot | undefined {
    return this.#latest
  }

  /** To be called with every snapshot, in order. */
  add(snapshot: Snapshot): void {
    const before = this.#latest
    this.#latest = snapshot
    if (!this.#deltas || before === undefined) return
    const tables = tablesOf(snapshot)
    for (const [index, table] of tablesOf(before).entries()) {
      const now = tables[index]
      if (now !== undefined && now.rows !== table.rows) this.#keepLeavers(index, table, now)
    }
  }

  /** Rows of which nothing could be kept since the last time this was asked. */
  takeLost(): number {
    const lost = this.#lost
    this.#lost = 0
    return lost
  }

  /** The latest snapshot, in messages that a caller may post a few at a time. */
  *pages(): Generator<ToPush> {
    if (this.#latest === undefined) return
    for (const [index, table] of tablesOf(this.#latest).entries()) yield* this.#table(index, table)
  }

  *#table(index: number, table: SeriesTable): Generator<ToPush> {
    const told = this.#of(index)
    if (!told.shape) yield { type: 'table', table: index, labelNames: table.labelNames, columns: table.columns }
    told.shape = true
    const { left } = told
    if (left.length > 0) {
      told.left = []
      const values = new Float64Array(left.length * table.columns.length)
      for (const [row, leaver] of left.entries()) values.set(leaver.values, row * table.columns.length)
      yield { type: 'left', table: index, rows: left.map(({ record }) => record), values }
    }
    if (told.rows === table.rows) {
      yield { type: 'values', table: index, values: table.values }
      return
    }
    const { ids: known } = told
    let page: RowRecord[] = []
    for (const [row, series] of table.rows.entries()) {
      if (known.has(series.id)) continue
      page.push(recordOf(table, row, series))
      if (page.length < PAGE_ROWS) continue
      yield { type: 'rows', table: index, rows: page }
      page = []
    }
    if (page.length > 0) yield { type: 'rows', table: index, rows: page }
    const ids = Float64Array.from(table.rows, ({ id }) => id)
    yield { type: 'values', table: index, ids, values: table.values }
    told.rows = table.rows
    told.ids = new Set(ids)
  }

  #of(index: number): Told {
    const told = this.#told[index] ?? { shape: false, rows: [], ids: new Set(), left: [] }
    this.#told[index] = told
    return told
  }

  #keepLeavers(index: number, before: SeriesTable, now: SeriesTable): void {
    const told = this.#of(index)
    const staying = new Set(now.rows.map(({ id }) => id))
    const width = before.columns.length
    for (const [row, series] of before.rows.entries()) {
      if (staying.has(series.id)) continue
      if (told.left.length >= MAX_LEFT) this.#lost++
      else told.left.push({ record: recordOf(before, row, series), values: before.values.slice(row * width, (row + 1) * width) })
    }
  }
}

function recordOf(table: SeriesTable, row: number, { id, startMs, labels }: SeriesRow): RowRecord {
  return { id, startMs, tcp: table.tcp[row] !== 0, labels: labels.join(SEPARATOR) }
}
