// Writes families and series tables as Prometheus text 0.0.4 or OpenMetrics 1.0.0, page by page. Knows both formats to the
// letter; nothing of HTTP, of compression, or of what the numbers mean.
import type { Metric, SampleFamily, SeriesRow, SeriesTable, Snapshot } from '../model.ts'
import { formatBound, formatNumber, NUMBER_BYTES, putNumber } from './number-text.ts'

export type Format = 'prometheus' | 'openmetrics'

export interface Sample {
  /** What is added to the family's name, without a counter's `_total`: `_bucket`, `_sum`, `_count`, or nothing. */
  readonly suffix: string
  readonly labels: Readonly<Record<string, string | number>>
  readonly value: number
  /** Of a counter that began before this process: since when it counts at the earliest, ms since the epoch. */
  readonly startMs?: number
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

/**
 * Everything, in pages of at most `PAGE_BYTES` (unless one line is longer). A caller that yields to the event loop between
 * pages holds it for well under a millisecond at a time, for a few where no row's labels were encoded before.
 */
export function* encode(snapshot: Snapshot | undefined, families: Iterable<Family>, format: Format, newPage: NewPage): Generator<Buffer> {
  const page = new Page(newPage)
  const tables = snapshot === undefined ? [] : [snapshot.flows, snapshot.containers, ...snapshot.health]
  for (const table of tables) yield* encodeTable(page, table, format)
  for (const family of snapshot?.families ?? []) yield* page.write(encodeFamily(toFamily(family), format))
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
  for (const metric of new Set(table.columns.map((column) => column.metric))) {
    yield* page.write(Buffer.from(header(metric, format)))
    if (metric.type === 'histogram') yield* encodeHistogram(page, table, metric, format, blocks)
    else yield* encodeColumns(page, table, metric, blocks)
  }
}

/** What stands before and after the row's labels. */
interface Line {
  readonly head: Buffer
  readonly tail: Buffer
}

function lineAround(table: SeriesTable, name: string, label?: string, value = ''): Line {
  const comma = table.labelNames.length === 0 ? '' : ','
  const own = label === undefined ? '' : `${comma}${label}="${escapeLabel(value)}"`
  return { head: Buffer.from(`${name}{`), tail: Buffer.from(`${own}} `) }
}

function* encodeColumns(page: Page, table: SeriesTable, metric: Metric, blocks: Buffer[]): Generator<Buffer> {
  for (const [column, { metric: of, labelName, labelValue }] of table.columns.entries()) {
    if (of !== metric) continue
    const line = lineAround(table, metric.name, labelName, labelValue)
    const bytesOf = (row: number): number => bytesOfLine(line, blockOf(table, row, blocks))
    yield* fillPages(page, table.rows.length, (from) => fillColumn(page, table, column, line, blocks, from), bytesOf)
  }
}

/** A row's lines stand together: buckets, each with what fell into those before it, then the sum and the count. */
function* encodeHistogram(page: Page, table: SeriesTable, metric: Metric, format: Format, blocks: Buffer[]): Generator<Buffer> {
  const first = table.columns.findIndex((column) => column.metric === metric)
  const bounds = table.columns.flatMap(({ metric: of, bound }) => (of === metric && bound !== undefined ? [bound] : []))
  const lines = [
    ...bounds.map((bound) => lineAround(table, `${metric.name}_bucket`, 'le', formatBound(bound, format))),
    lineAround(table, `${metric.name}_sum`),
    lineAround(table, `${metric.name}_count`),
  ]
  const bytesOf = (at: number): number =>
    bytesOfLine(lines[at % lines.length] as Line, blockOf(table, Math.floor(at / lines.length), blocks))
  const end = table.rows.length * lines.length
  yield* fillPages(page, end, (from) => fillHistogram(page, table, first, lines, blocks, from), bytesOf)
}

/** `fill` writes lines from one on while the page has room, and answers which had none, or `end`. */
function* fillPages(page: Page, end: number, fill: (from: number) => number, bytesOf: (line: number) => number): Generator<Buffer> {
  for (let line = 0; line < end; ) {
    line = fill(line)
    if (line === end) return
    if (page.length > 0) yield page.cut()
    page.renew(bytesOf(line))
  }
}

function fillColumn(page: Page, table: SeriesTable, column: number, line: Line, blocks: Buffer[], from: number): number {
  const { rows, tcp, values, columns } = table
  const tcpOnly = columns[column]?.tcpOnly === true
  const width = columns.length
  const { bytes } = page
  let at = page.length
  let row = from
  for (; row < rows.length; row++) {
    if (tcpOnly && tcp[row] === 0) continue
    const block = blocks[row] ?? blockOf(table, row, blocks)
    if (at + bytesOfLine(line, block) > bytes.length) break
    at = putLine(bytes, at, line, block, values[row * width + column] as number)
  }
  page.length = at
  return row
}

/** `first`: column of its first bucket. Lines are counted on from row to row. */
function fillHistogram(page: Page, table: SeriesTable, first: number, lines: readonly Line[], blocks: Buffer[], from: number): number {
  const { rows, values, columns } = table
  const buckets = lines.length - 2
  const { bytes } = page
  let at = page.length
  let next = from
  for (; next < rows.length * lines.length; next++) {
    const row = Math.floor(next / lines.length)
    const which = next % lines.length
    const line = lines[which] as Line
    const block = blocks[row] ?? blockOf(table, row, blocks)
    if (at + bytesOfLine(line, block) > bytes.length) break
    const start = row * columns.length + first
    const value = which === buckets ? (values[start + buckets] as number) : sumOf(values, start, start + Math.min(which + 1, buckets))
    at = putLine(bytes, at, line, block, value)
  }
  page.length = at
  return next
}

function sumOf(values: Float64Array, from: number, to: number): number {
  let sum = 0
  for (let at = from; at < to; at++) sum += values[at] as number
  return sum
}

/** At most. */
function bytesOfLine({ head, tail }: Line, block: Buffer): number {
  return head.length + block.length + tail.length + NUMBER_BYTES
}

/** Returns the end. There must be room. */
function putLine(bytes: Buffer, start: number, { head, tail }: Line, block: Buffer, value: number): number {
  let at = start
  for (let index = 0; index < head.length; index++) bytes[at++] = head[index] as number
  bytes.set(block, at)
  at += block.length
  for (let index = 0; index < tail.length; index++) bytes[at++] = tail[index] as number
  at = putNumber(bytes, at, value)
  bytes[at++] = 10
  return at
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

function formatLabel(name: string, value: string | number, format: Format): string {
  if (typeof value === 'string') return escapeLabel(value)
  return name === 'le' || name === 'quantile' ? formatBound(value, format) : formatNumber(value)
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

/** With each label's name beside its value. */
export function toFamily({ metric, samples }: SampleFamily): Family {
  const named = (labels: readonly string[]): Sample['labels'] =>
    Object.fromEntries(metric.labels.map((name, index) => [name, labels[index] ?? '']))
  const since = (startMs: number): Pick<Sample, 'startMs'> => (metric.type === 'counter' ? { startMs } : {})
  return {
    ...metric,
    samples: samples.map(({ labels, value, startMs }) => ({ suffix: '', labels: named(labels), value, ...since(startMs) })),
  }
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
