// Readers of both text formats, strict to the letter, for the tests of this folder. They throw on what the formats forbid.
// Written from the formats' descriptions; nothing is shared with what writes them.

export interface ReadSample {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: string
}

export interface ReadFamily {
  readonly name: string
  readonly type: string
  readonly help: string
  readonly unit: string
  readonly samples: readonly ReadSample[]
}

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/
const NUMBER = /^(?:[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?|[+-]?inf|nan)$/i

/** Text 0.0.4. */
export function readPrometheus(text: string): Map<string, ReadFamily> {
  return read(text, {
    suffixes: { histogram: ['_bucket', '_sum', '_count'], counter: [''], gauge: [''], summary: ['', '_sum', '_count'] },
    unescapeHelp: (help) => withoutEscapes(help, '\\n'),
  })
}

/** OpenMetrics 1.0.0. */
export function readOpenMetrics(text: string): Map<string, ReadFamily> {
  if (!text.endsWith('\n# EOF\n')) throw new Error('does not end with # EOF')
  const families = read(text.slice(0, -'# EOF\n'.length), {
    suffixes: { histogram: ['_bucket', '_sum', '_count'], counter: ['_total'], gauge: [''], summary: ['', '_sum', '_count'] },
    unescapeHelp: (help) => withoutEscapes(help, '\\n"'),
  })
  for (const { name, type, unit, samples } of families.values()) {
    if (unit !== '' && !name.endsWith(`_${unit}`)) throw new Error(`${name} does not end with its unit ${unit}`)
    if (type === 'counter' && name.endsWith('_total')) throw new Error(`the family ${name} ends with _total`)
    for (const { labels, value } of samples) {
      if (type === 'counter' && !(Number(value) >= 0)) throw new Error(`${name} is ${value}`)
      const { le } = labels
      if (le !== undefined && le !== '+Inf' && !/[.e]/.test(le)) throw new Error(`le="${le}" of ${name} is no float`)
    }
  }
  return families
}

interface Rules {
  readonly suffixes: Readonly<Record<string, readonly string[]>>
  readonly unescapeHelp: (text: string) => string
}

function read(text: string, { suffixes, unescapeHelp }: Rules): Map<string, ReadFamily> {
  if (text !== '' && !text.endsWith('\n')) throw new Error('the last line does not end')
  const families = new Map<string, { name: string; type: string; help: string; unit: string; samples: ReadSample[] }>()
  const seen = new Set<string>()
  let family: ReturnType<(typeof families)['get']>
  for (const line of text.split('\n').slice(0, -1)) {
    const meta = /^# (HELP|TYPE|UNIT) (\S+) (.*)$/.exec(line)
    if (meta !== null) {
      const [, kind = '', name = '', rest = ''] = meta
      if (!NAME.test(name)) throw new Error(`no name: ${name}`)
      if (family?.name !== name) {
        if (families.has(name)) throw new Error(`${name} is interleaved or comes twice`)
        family = { name, type: '', help: '', unit: '', samples: [] }
        families.set(name, family)
      }
      if (family.samples.length > 0) throw new Error(`${kind} of ${name} comes after its samples`)
      if (kind === 'HELP') family.help = once(family.help, unescapeHelp(rest), line)
      if (kind === 'UNIT') family.unit = once(family.unit, rest, line)
      if (kind === 'TYPE') family.type = once(family.type, rest, line)
      continue
    }
    if (line.startsWith('#')) throw new Error(`a comment: ${line}`)
    const sample = readSample(line)
    const allowed = suffixes[family?.type ?? ''] ?? []
    if (family === undefined || !allowed.some((suffix) => `${family?.name}${suffix}` === sample.name))
      throw new Error(`${sample.name} stands under ${family?.name} of type ${family?.type}`)
    const key = JSON.stringify([sample.name, Object.entries(sample.labels).sort()])
    if (seen.has(key)) throw new Error(`twice: ${key}`)
    seen.add(key)
    family.samples.push(sample)
  }
  return families
}

function once(before: string, now: string, line: string): string {
  if (before !== '') throw new Error(`twice: ${line}`)
  return now
}

function readSample(line: string): ReadSample {
  const head = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{)?/.exec(line)
  const name = head?.[1] ?? ''
  if (head === null) throw new Error(`no sample: ${line}`)
  const labels: Record<string, string> = {}
  let at = head[0].length
  if (head[2] !== undefined) {
    const pair = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(,|\})/y
    for (let more = true; more; ) {
      pair.lastIndex = at
      const match = pair.exec(line)
      if (match === null) throw new Error(`wrong labels from ${at} on: ${line}`)
      const [whole, label = '', value = '', next] = match
      if (label in labels) throw new Error(`the label ${label} comes twice: ${line}`)
      labels[label] = withoutEscapes(value, '\\n"')
      at += whole.length
      more = next === ','
    }
  }
  const value = line.slice(at + 1)
  if (line[at] !== ' ' || !NUMBER.test(value)) throw new Error(`no number after one space: ${line}`)
  return { name, labels, value }
}

function withoutEscapes(text: string, letters: string): string {
  return text.replace(/\\(.)/g, (both, letter: string) => {
    if (!letters.includes(letter)) throw new Error(`${both} is no escape`)
    return letter === 'n' ? '\n' : letter
  })
}
