// What a table's columns are as OpenTelemetry's metrics: numbers, and histograms of several columns. Knows no rows.
import type { SeriesColumn } from '../../model.ts'
import type { ToPush } from './messages.ts'
import { attributeOf } from './names.ts'

export type TableMessage = Extract<ToPush, { type: 'table' }>

/** One point a row. */
export interface Cell {
  readonly metric: SeriesColumn['metric']
  /** Which of the table's variants its labels are. */
  readonly variant: number
  readonly tcpOnly: boolean
  /** The first of its columns. */
  readonly column: number
  /** Of a histogram, without the last, infinite one: its sum stands in the column after that one's. */
  readonly bounds?: readonly number[]
}

type Attribute = ReturnType<typeof attributeOf>

export interface Shape {
  readonly labelNames: readonly string[]
  readonly width: number
  readonly cells: readonly Cell[]
  /** What a column adds to its row's labels; the first adds nothing. */
  readonly variants: readonly Attribute[]
}

export function shapeOf({ labelNames, columns }: TableMessage): Shape {
  const variants = new Map<string, { readonly index: number; readonly attribute: Attribute }>([['', { index: 0, attribute: undefined }]])
  const variantOf = ({ labelName, labelValue = '' }: SeriesColumn): number => {
    const key = labelName === undefined ? '' : `${labelName}=${labelValue}`
    const attribute = labelName === undefined ? undefined : attributeOf(labelName, labelValue)
    const variant = variants.get(key) ?? { index: variants.size, attribute }
    variants.set(key, variant)
    return variant.index
  }
  const cells: Cell[] = []
  for (let column = 0; column < columns.length; column++) {
    const first = columns[column] as SeriesColumn
    const { metric, tcpOnly } = first
    const cell = { metric, variant: variantOf(first), tcpOnly, column }
    if (metric.type !== 'histogram') {
      cells.push(cell)
      continue
    }
    const bounds: number[] = []
    for (let next = columns[column]; next?.bound !== undefined; next = columns[++column]) bounds.push(next.bound)
    cells.push({ ...cell, bounds: bounds.slice(0, -1) })
  }
  return { labelNames, width: columns.length, cells, variants: [...variants.values()].map(({ attribute }) => attribute) }
}

/** Columns of a cell: a histogram has one for each bound, the infinite one and the sum. */
export function columnsOf({ bounds }: Cell): number {
  return bounds === undefined ? 1 : bounds.length + 2
}
