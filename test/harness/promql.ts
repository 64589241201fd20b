// Which metrics and labels an expression asks for, and whether they are there: a misspelt label is no error to Prometheus, it finds nothing.
import { COMMON, METRICS, TARGET_LABELS } from './contract-metrics.ts'

/** Name of a recorded series to the labels that it keeps. */
export type Recorded = ReadonlyMap<string, readonly string[]>

const WORDS = new Set([
  'and',
  'or',
  'unless',
  'bool',
  'offset',
  'by',
  'without',
  'on',
  'ignoring',
  'group_left',
  'group_right',
  'inf',
  'nan',
])
const SUFFIX = /_(?:bucket|sum|count)$/

const labelLists = (expr: string): string[] =>
  [...expr.matchAll(/\b(?:by|on|without|ignoring|group_left|group_right)\s*\(([^)]*)\)/g)].flatMap(([, list = '']) => words(list))
const keptLists = (expr: string): string[] => [...expr.matchAll(/\bby\s*\(([^)]*)\)/g)].flatMap(([, list = '']) => words(list))
const matchers = (expr: string): string[] =>
  [...expr.matchAll(/\{([^}]*)\}/g)].flatMap(([, inside = '']) =>
    [...inside.matchAll(/(\w+)\s*(?:=~|!=|!~|=)/g)].map(([, name = '']) => name),
  )
/** Labels that the expression itself makes. */
const made = (expr: string): string[] => [...expr.matchAll(/,\s*"(\w+)",\s*"[^"]*",\s*"\w+"/g)].map(([, name = '']) => name)
const words = (list: string): string[] =>
  list
    .split(',')
    .map((word) => word.trim())
    .filter((word) => word !== '')

export function metricsOf(expr: string): string[] {
  const bare = expr
    .replaceAll(/\{[^}]*\}/g, ' ')
    .replaceAll(/"(?:[^"\\]|\\.)*"/g, ' ')
    .replaceAll(/\[[^\]]*\]/g, ' ')
    .replaceAll(/\b(?:by|on|without|ignoring|group_left|group_right)\s*\([^)]*\)/g, ' ')
    .replaceAll(/\boffset\s+\w+/g, ' ')
  return [...new Set([...bare.matchAll(/(?<![\w.:])[a-zA-Z_:][\w:]*(?![\w:]*\s*\()/g)].map(([name]) => name))].filter(
    (name) => !WORDS.has(name),
  )
}

function labelsOf(name: string, recorded: Recorded): readonly string[] | undefined {
  const kept = recorded.get(name)
  if (kept !== undefined) return kept
  if (COMMON.includes(name)) return []
  const known = METRICS.get(name)
  if (known !== undefined) return known.labels
  const histogram = METRICS.get(name.replace(SUFFIX, ''))
  return histogram?.type === 'histogram' ? [...histogram.labels, 'le'] : undefined
}

/** Metrics that nobody publishes. */
export function unknownMetrics(expr: string, recorded: Recorded): string[] {
  return metricsOf(expr).filter((name) => labelsOf(name, recorded) === undefined)
}

/** Labels that none of the expression's metrics has, also those of a legend. */
export function unknownLabels(expr: string, recorded: Recorded, legend = ''): string[] {
  const known = new Set([...metricsOf(expr).flatMap((name) => labelsOf(name, recorded) ?? []), ...TARGET_LABELS, ...made(expr)])
  const shown = [...legend.matchAll(/\{\{(\w+)\}\}/g)].map(([, name = '']) => name)
  return [...new Set([...labelLists(expr), ...matchers(expr), ...shown])].filter((name) => !known.has(name))
}

/** Of rules in their order: a later one may read an earlier one's series. */
export function recordedBy(rules: readonly { readonly record?: string; readonly expr: string }[]): Recorded {
  const recorded = new Map<string, readonly string[]>()
  for (const { record, expr } of rules) {
    if (record === undefined) continue
    const read = metricsOf(expr).flatMap((name) => recorded.get(name) ?? [])
    recorded.set(record, [...new Set([...keptLists(expr), ...read])])
  }
  return recorded
}
