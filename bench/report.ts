// Sections of bench/RESULTS.md: written whole, replaced one by one. Knows Markdown; nothing of what is measured.
import { readFileSync, writeFileSync } from 'node:fs'
import { cpus, release } from 'node:os'
import { join } from 'node:path'
import { median, quantile, type Ratio } from './statistics.ts'

const RESULTS = join(import.meta.dirname, 'RESULTS.md')

export interface Section {
  readonly title: string
  /** How it was measured: a few sentences. */
  readonly method: string
  readonly head: readonly string[]
  readonly rows: readonly (readonly string[])[]
  /** What the figures say, and what they do not. */
  readonly remarks?: readonly string[]
}

export function render({ title, method, head, rows, remarks = [] }: Section): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  const table = [line(head), line(head.map((_, index) => (index === 0 ? '---' : '---:'))), ...rows.map(line)]
  return [`## ${title}`, '', method, '', ...table, ...remarks.flatMap((remark) => ['', remark]), ''].join('\n')
}

function preface(): string {
  const facts = `Linux ${release().split('-', 1)[0]}, ${cpus().length} cores (${cpus()[0]?.model ?? 'unknown'}), Node ${process.version}`
  return [
    '# What the exporter costs',
    '',
    '<!-- Written by `npm run bench`; `npm run bench NAME` renews one part. -->',
    '',
    `${facts}.`,
    'Figures are medians, quartiles in brackets. A target counts as reached only where the whole interval reaches it.',
    '',
  ].join('\n')
}

/** Puts the section in place of the one of the same title; in `order` where there is none. */
export function write(section: Section, order: readonly string[]): void {
  const sections = new Map(readSections())
  sections.set(section.title, render(section))
  const titles = order.filter((title) => sections.has(title))
  writeFileSync(RESULTS, [preface(), ...titles.map((title) => sections.get(title) ?? '')].join('\n').trimEnd().concat('\n'))
}

function readSections(): [string, string][] {
  let text = ''
  try {
    text = readFileSync(RESULTS, 'utf8')
  } catch {
    return [] // the first run
  }
  return text
    .split(/^(?=## )/m)
    .slice(1)
    .map((part) => [part.slice(3, part.indexOf('\n')), part.trimEnd().concat('\n')])
}

/** `12.3 [11.9, 12.8]` */
export function spread(values: readonly number[], show: (value: number) => string): string {
  return `${show(median(values))} [${show(quantile(values, 0.25))}, ${show(quantile(values, 0.75))}]`
}

export function shownRatio({ value, low, high }: Ratio): string {
  return `${value.toFixed(3)} [${low.toFixed(3)}, ${high.toFixed(3)}]`
}

export function verdict({ low, high }: Ratio, least: number): string {
  if (low >= least) return `>= ${least}: reached`
  return high < least ? `>= ${least}: **missed**` : `>= ${least}: the noise does not tell`
}

export function below(value: number, limit: number, unit: string): string {
  return `< ${limit}${unit}: ${value < limit ? 'reached' : '**missed**'}`
}

export function digits(places: number): (value: number) => string {
  return (value) => value.toLocaleString('en-US', { minimumFractionDigits: places, maximumFractionDigits: places })
}
