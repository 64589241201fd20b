// Writes families and series tables as Prometheus text 0.0.4 or OpenMetrics 1.0.0, page by page. Knows both formats to the
// letter; nothing of HTTP, of compression, or of what the numbers mean.
import type { SampleFamily, SeriesColumn, SeriesRow, SeriesTable, Snapshot } from '../model.ts'

export type Format = 'prometheus' | 'openmetrics'

export interface Sample {
  /** What is added to the family's name, without a counter's `_total`: `_bucket`, `_sum`, `_count`, or nothing. */
  readonly suffix: string
  readonly labels: Readonly<Record<string, string | number>>
  readonly value: number
}

/** One metric that does not come from the store, whole. `name` as in text 0.0.4: a counter's ends in `_total`. */
export interface Family {
  readonly name: string
  readonly type: 'counter' | 'gauge' | 'histogram' | 'summary'
  /** UCUM, as in metrics.ts; empty where not known. */
  readonly unit: string
  readonly help: string
  readonly samples: readonly Sample[]
}

/** Bytes of one page: about 900 lines, a third of a millisecond of encoding. A longer line gets a page of its own. */
export const PAGE_BYTES = 256 * 1024

/** Where pages come from, so that a reader that is done with them can hand them back. */
export type NewPage = (bytes: number) => Buffer

/** Longest number: -2.2250738585072014e-308, and a line's end. */
const NUMBER_BYTES = 26

/**
 * Everything, in pages of at most `PAGE_BYTES` (unless one line is longer). A caller that yields to the event loop between
 * pages holds it for well under a millisecond at a time, for a few where no row's labels were encoded before.
 */
export function* encode(snapshot: Snapshot | undefined, families: Iterable<Family>, format: Format, newPage: NewPage): Generator<Buffer> {
  const page = new Page(newPage)
  for (const table of snapshot === undefined ? [] : [snapshot.flows, snapshot.containers]) yield* encodeTable(page, table, format)
  for (const family of snapshot?.families ?? []) yield* page.write(encodeFamily(withNames(family), format))
  for (const family of families) yield* page.write(encodeFamily(family, format))
  if (format === 'openmetrics') yield* page.write(Buffer.from('# EOF\n'))
  if (page.length > 0) yield page.cut()
}

class Page {
  bytes: Buffer
  length = 0
  readonly #newPage: NewPage

  constructor(newPage: NewPage) {
    this.#newPage = newPage
    this.bytes = newPage(PAGE_BYTES)
  }

  /** What is filled; to be called before `renew` only. */
  cut(): Buffer {
    return this.bytes.subarray(0, this.length)
  }

  renew(bytes: number): void {
    this.bytes = this.#newPage(Math.max(bytes, PAGE_BYTES))
    this.length = 0
  }

  *write(piece: Buffer): Generator<Buffer> {
    for (let done = 0; done < piece.length; ) {
      const part = piece.subarray(done, done + this.bytes.length - this.length)
      this.bytes.set(part, this.length)
      this.length += part.length
      done += part.length
      if (this.length === this.bytes.length) {
        yield this.cut()
        this.renew(PAGE_BYTES)
      }
    }
  }
}

function* encodeTable(page: Page, table: SeriesTable, format: Format): Generator<Buffer> {
  const blocks: Buffer[] = []
  const written = new Set<string>()
  for (const { metric } of table.columns) {
    if (written.has(metric.name)) continue
    written.add(metric.name)
    yield* page.write(Buffer.from(header(metric, format)))
    for (const [index, column] of table.columns.entries()) {
      if (column.metric.name !== metric.name) continue
      const line = lineAround(table, column)
      for (let row = 0; row < table.rows.length; ) {
        const next = fill(page, table, index, line, blocks, row)
        if (next < table.rows.length) {
          if (page.length > 0) yield page.cut()
          page.renew(line.head.length + blockOf(table, next, blocks).length + line.tail.length + NUMBER_BYTES)
        }
        row = next
      }
    }
  }
}

/** What stands before and after the row's labels on every line of a column. */
interface Line {
  readonly head: Buffer
  readonly tail: Buffer
}

function lineAround(table: SeriesTable, column: SeriesColumn): Line {
  const comma = table.labelNames.length === 0 ? '' : ','
  const own = column.labelName === undefined ? '' : `${comma}${column.labelName}="${escapeLabel(column.labelValue ?? '')}"`
  return { head: Buffer.from(`${column.metric.name}{`), tail: Buffer.from(`${own}} `) }
}

/** Writes lines from row `row` on until the page is full; the row that found no room, or the number of rows. */
function fill(page: Page, table: SeriesTable, column: number, { head, tail }: Line, blocks: Buffer[], from: number): number {
  const { rows, tcp, values, columns } = table
  const tcpOnly = columns[column]?.tcpOnly === true
  const width = columns.length
  const { bytes } = page
  const around = head.length + tail.length + NUMBER_BYTES
  let at = page.length
  let row = from
  for (; row < rows.length; row++) {
    if (tcpOnly && tcp[row] === 0) continue
    const block = blocks[row] ?? blockOf(table, row, blocks)
    if (at + around + block.length > bytes.length) break
    for (let index = 0; index < head.length; index++) bytes[at++] = head[index] as number
    bytes.set(block, at)
    at += block.length
    for (let index = 0; index < tail.length; index++) bytes[at++] = tail[index] as number
    at = putNumber(bytes, at, values[row * width + column] as number)
    bytes[at++] = 10
  }
  page.length = at
  return row
}

/** The encoded labels of a row, for as long as the store keeps the row. A row belongs to one table, whose names never change. */
const labelBlocks = new WeakMap<SeriesRow, Buffer>()

function blockOf(table: SeriesTable, index: number, blocks: Buffer[]): Buffer {
  const row = table.rows[index] as SeriesRow
  let block = labelBlocks.get(row)
  if (block === undefined) {
    let text = ''
    for (let label = 0; label < table.labelNames.length; label++)
      text += `${label === 0 ? '' : ','}${table.labelNames[label]}="${escapeLabel(row.labels[label] ?? '')}"`
    block = Buffer.from(text)
    labelBlocks.set(row, block)
  }
  blocks[index] = block
  return block
}

const BILLION = 1e9

/** Decimal, exact up to 2^53; beyond it and for fractions the shortest that reads back equal. Returns the end. */
function putNumber(bytes: Buffer, at: number, value: number): number {
  if (value >= 0 && value < BILLION && (value | 0) === value) return putDigits(bytes, at, value | 0, digitsOf(value | 0))
  if (value >= BILLION && Number.isSafeInteger(value)) {
    const high = Math.floor(value / BILLION)
    const end = putDigits(bytes, at, high, digitsOf(high))
    return putDigits(bytes, end, value - high * BILLION, 9)
  }
  return at + bytes.write(formatNumber(value), at, 'latin1')
}

function digitsOf(value: number): number {
  let digits = 1
  for (let limit = 10; digits < 9 && value >= limit; limit *= 10) digits++
  return digits
}

function putDigits(bytes: Buffer, at: number, value: number, digits: number): number {
  let rest = value
  for (let place = at + digits - 1; place >= at; place--) {
    const tenth = (rest / 10) | 0
    bytes[place] = 48 + rest - tenth * 10
    rest = tenth
  }
  return at + digits
}

function formatNumber(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf'
  if (value === Number.NEGATIVE_INFINITY) return '-Inf'
  return String(value)
}

/** OpenMetrics wants `1.0` where text 0.0.4 has `1` in `le` and `quantile`. */
function formatLabel(name: string, value: string | number, format: Format): string {
  if (typeof value === 'string') return escapeLabel(value)
  const bound = name === 'le' || name === 'quantile'
  return format === 'openmetrics' && bound && Number.isInteger(value) ? `${value}.0` : formatNumber(value)
}

function encodeFamily(family: Family, format: Format): Buffer {
  const counter = family.type === 'counter' && format === 'openmetrics'
  const name = counter ? `${openName(family)}_total` : family.name
  let text = header(family, format)
  for (const { suffix, labels, value } of family.samples) {
    const pairs = Object.entries(labels).map(([label, of]) => `${label}="${formatLabel(label, of, format)}"`)
    text += `${name}${suffix}${pairs.length === 0 ? '' : `{${pairs.join(',')}}`} ${formatNumber(value)}\n`
  }
  return Buffer.from(text)
}

function withNames({ metric, samples }: SampleFamily): Family {
  const named = (labels: readonly string[]): Sample['labels'] =>
    Object.fromEntries(metric.labels.map((name, index) => [name, labels[index] ?? '']))
  return { ...metric, samples: samples.map(({ labels, value }) => ({ suffix: '', labels: named(labels), value })) }
}

const UNITS: Readonly<Record<string, string>> = {
  1: 'ratio',
  By: 'bytes',
  s: 'seconds',
  J: 'joules',
  W: 'watts',
  Cel: 'celsius',
  Hz: 'hertz',
}

function openName(family: Pick<Family, 'name' | 'type'>): string {
  return family.type === 'counter' ? family.name.replace(/_total$/, '') : family.name
}

function header(family: Omit<Family, 'samples'>, format: Format): string {
  if (format === 'prometheus') return `# HELP ${family.name} ${escapeHelp(family.help)}\n# TYPE ${family.name} ${family.type}\n`
  const name = openName(family)
  const unit = UNITS[family.unit]
  const unitLine = unit !== undefined && name.endsWith(`_${unit}`) ? `# UNIT ${name} ${unit}\n` : ''
  return `# TYPE ${name} ${family.type}\n${unitLine}# HELP ${name} ${escapeLabel(family.help)}\n`
}

function escapeHelp(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')
}

const NEEDS_ESCAPE = /["\\\n]/

function escapeLabel(text: string): string {
  return NEEDS_ESCAPE.test(text) ? escapeHelp(text).replaceAll('"', '\\"') : text
}
