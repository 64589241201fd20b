// One table of the snapshot as the push's thread knows it: rows with their attributes, the latest values, and for differences what was
// taken of each. Makes points of it. Knows nothing of where they go.
import type { HrTime } from '@opentelemetry/api'
import { Book, type Difference } from './book.ts'
import { type Labels, labelsOf, withLabel } from './labels.ts'
import { type RowRecord, SEPARATOR } from './messages.ts'
import { attributeOf } from './names.ts'
import { histogramPoint, hrTime, NO_START, numberPoint, type OurPoint } from './points.ts'
import { type Cell, columnsOf, type Shape } from './shape.ts'

/** Rows that left and that nobody has taken yet: as many as the feed keeps in one interval. */
const MAX_LEFT = 10_000

interface Row {
  readonly startMs: number
  readonly start: HrTime
  readonly tcp: boolean
  /** By variant. */
  readonly labels: (Labels | undefined)[]
  book: Book | undefined
}

export interface Temporality {
  readonly sums: boolean
  readonly histograms: boolean
}

export interface CellPoints {
  readonly cell: Cell
  readonly points: readonly OurPoint[]
}

export class Mirror {
  readonly #shape: Shape
  readonly #deltas: Temporality
  #rows = new Map<number, Row>()
  #order: readonly Row[] = []
  #values: Float64Array = new Float64Array()
  /** In the order in which they left. */
  readonly #left = new Map<Row, Float64Array>()
  #behind = false

  constructor(shape: Shape, deltas: Temporality) {
    this.#shape = shape
    this.#deltas = deltas
  }

  /** Did the last points leave something for the next ones, since of what is in doubt nothing but the same can be told? */
  get behind(): boolean {
    return this.#behind
  }

  /** Rows that the next values may name. */
  addRows(records: readonly RowRecord[]): void {
    for (const record of records) this.#rows.set(record.id, this.#rowOf(record))
  }

  setValues(values: Float64Array, ids?: Float64Array): void {
    this.#values = values
    if (ids === undefined) return
    const rows = new Map<number, Row>()
    for (const id of ids) {
      const row = this.#rows.get(id)
      if (row === undefined) throw new Error(`values of row ${id}, which was never told`)
      rows.set(id, row)
    }
    this.#rows = rows
    this.#order = [...rows.values()]
  }

  /** Returns how many found no room. */
  addLeft(records: readonly RowRecord[], values: Float64Array): number {
    const { width } = this.#shape
    for (const [index, record] of records.entries())
      this.#left.set(this.#rows.get(record.id) ?? this.#rowOf(record), values.subarray(index * width, (index + 1) * width))
    let lost = 0
    for (const row of this.#left.keys()) {
      if (this.#left.size <= MAX_LEFT) break
      this.#left.delete(row)
      lost++
    }
    return lost
  }

  /** All that is here was taken by `timeMs`. */
  takeAll(timeMs: number): void {
    for (const [index, row] of this.#order.entries())
      for (const [at, cell] of this.#shape.cells.entries())
        if (this.#isDelta(cell)) this.#bookOf(row).take(at, cell.column, this.#totals(this.#values, index, cell), timeMs)
  }

  /** Points of all rows, cell by cell. Rows that left are forgotten once nothing of them is left to deliver. */
  *points(timeMs: number): Generator<CellPoints> {
    const end = hrTime(timeMs)
    const waiting = new Set<Row>()
    this.#behind = false
    for (const [at, cell] of this.#shape.cells.entries()) {
      const points: OurPoint[] = []
      for (const [index, row] of this.#order.entries()) this.#add(points, row, at, cell, this.#values, index, timeMs, end)
      if (this.#isDelta(cell)) {
        for (const [row, values] of this.#left) if (this.#add(points, row, at, cell, values, 0, timeMs, end)) waiting.add(row)
      }
      yield { cell, points }
    }
    for (const row of this.#left.keys()) if (!waiting.has(row)) this.#left.delete(row)
  }

  isDelta(cell: Cell): boolean {
    return this.#isDelta(cell)
  }

  #isDelta({ metric, bounds }: Cell): boolean {
    return bounds === undefined ? metric.type === 'counter' && this.#deltas.sums : this.#deltas.histograms
  }

  #totals(values: Float64Array, index: number, cell: Cell): Float64Array {
    const from = index * this.#shape.width + cell.column
    return values.subarray(from, from + columnsOf(cell))
  }

  #add(points: OurPoint[], row: Row, at: number, cell: Cell, values: Float64Array, index: number, timeMs: number, end: HrTime): boolean {
    if (cell.tcpOnly && !row.tcp) return false
    const labels = this.#labelsOf(row, cell.variant)
    const from = index * this.#shape.width + cell.column
    if (!this.#isDelta(cell)) {
      const start = cell.metric.type === 'gauge' ? NO_START : row.start
      points.push(pointOf(cell, labels, start, end, (column) => values[from + column] as number))
      return true
    }
    const next = this.#bookOf(row).difference(at, cell.column, this.#totals(values, index, cell), row.startMs, timeMs)
    if (next === undefined) return false
    if (next.endMs < timeMs) this.#behind = true
    const start = next.startMs === row.startMs ? row.start : hrTime(next.startMs)
    points.push(pointOf(cell, labels, start, next.endMs === timeMs ? end : hrTime(next.endMs), next.value, next.settle))
    return true
  }

  #bookOf(row: Row): Book {
    row.book ??= new Book(this.#shape.width, this.#shape.cells.length)
    return row.book
  }

  #rowOf({ startMs, tcp, labels }: RowRecord): Row {
    const values = labels.split(SEPARATOR)
    const pairs = this.#shape.labelNames.map((name, index) => attributeOf(name, values[index] ?? '')).filter((pair) => pair !== undefined)
    return { startMs, start: hrTime(startMs), tcp, labels: [labelsOf(pairs)], book: undefined }
  }

  #labelsOf(row: Row, variant: number): Labels {
    const known = row.labels[variant]
    if (known !== undefined) return known
    const labels = withLabel(row.labels[0] as Labels, this.#shape.variants[variant])
    row.labels[variant] = labels
    return labels
  }
}

type Read = (column: number) => number

function pointOf({ bounds }: Cell, labels: Labels, start: HrTime, end: HrTime, read: Read, settle?: Difference['settle']): OurPoint {
  if (bounds === undefined) return numberPoint({ labels, start, end, value: read(0), settle })
  const counts = Array.from({ length: bounds.length + 1 }, (_, column) => read(column))
  return histogramPoint({ labels, start, end, value: { counts, bounds, sum: read(bounds.length + 1) }, settle })
}
