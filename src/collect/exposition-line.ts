// Reads one line of Prometheus text or OpenMetrics, also where its writer was careless. Knows the syntax; nothing of any metric.

export interface ExpositionLine {
  readonly name: string
  readonly labels: ReadonlyMap<string, string>
  readonly value: number
  /** ms since the epoch. */
  readonly timeMs: number | undefined
}

/** dcgm-exporter has a dozen, with pods' own labels some tens. */
const MOST_LABELS = 128

const NAME = /^\s*([a-zA-Z_:][a-zA-Z0-9_:]*)\s*/
const LABEL = /\s*([a-zA-Z_][a-zA-Z0-9_.-]*)\s*=\s*"((?:[^"\\]|\\.)*)"\s*,?/y
const END = /\s*,?\s*\}/y
const VALUE = /^\s*(\S+)(?:\s+(-?\d+(?:\.\d+)?))?\s*(?:#.*)?$/

/** What a sample's line begins with; undefined for comments and empty lines. */
export function nameOf(line: string): string | undefined {
  return NAME.exec(line)?.[1]
}

/** Undefined for what is no sample. A label that comes twice has its last value. */
export function parseLine(line: string): ExpositionLine | undefined {
  const begin = NAME.exec(line)
  const name = begin?.[1]
  if (begin === null || name === undefined) return undefined
  const labels = new Map<string, string>()
  let at = begin[0].length
  if (line[at] === '{') {
    const end = readLabels(line, at + 1, labels)
    if (end === undefined) return undefined
    at = end
  }
  const rest = VALUE.exec(line.slice(at))
  const value = rest === null ? Number.NaN : numberOf(rest[1] ?? '')
  if (Number.isNaN(value)) return undefined
  return { name, labels, value, timeMs: timeOf(rest?.[2]) }
}

/** Where the labels end, behind the brace. */
function readLabels(line: string, from: number, labels: Map<string, string>): number | undefined {
  let at = from
  for (; labels.size <= MOST_LABELS; at = LABEL.lastIndex) {
    LABEL.lastIndex = at
    const match = LABEL.exec(line)
    if (match === null) break
    labels.set(match[1] ?? '', unescaped(match[2] ?? ''))
  }
  END.lastIndex = at
  return END.test(line) ? END.lastIndex : undefined
}

function unescaped(text: string): string {
  return text.includes('\\') ? text.replaceAll(/\\(.)/g, (_, char: string) => (char === 'n' ? '\n' : char)) : text
}

function numberOf(text: string): number {
  if (/^[+-]?inf(?:inity)?$/i.test(text)) return text.startsWith('-') ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY
  return /^[+-]?(?:\d|\.\d)/.test(text) ? Number(text) : Number.NaN
}

/** Prometheus writes whole milliseconds, OpenMetrics seconds: no machine that scrapes has a clock before 1973. */
function timeOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const time = Number(text)
  return Math.abs(time) < 1e11 ? time * 1000 : time
}
