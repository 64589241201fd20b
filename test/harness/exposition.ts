// Reads Prometheus text as strictly as Prometheus does, and stricter: every family told once, no sample twice. Knows no metric.
export interface Sample {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

export interface Scrape {
  readonly samples: readonly Sample[]
  readonly types: ReadonlyMap<string, string>
}

const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\[\\n"])*)"(,|$)/y
const SUFFIX = /_(?:bucket|sum|count)$/

/** Throws at the first line that is wrong, naming it. */
export function parseExposition(text: string): Scrape {
  const samples: Sample[] = []
  const types = new Map<string, string>()
  const helped = new Set<string>()
  const seen = new Set<string>()
  let family = ''
  const fail = (line: string, why: string): never => {
    throw new Error(`${why}: ${line}`)
  }
  if (!text.endsWith('\n')) fail(text.slice(-80), 'the last line has no end')
  for (const line of text.slice(0, -1).split('\n')) {
    const told = /^# (HELP|TYPE) (\S+) (.+)$/.exec(line)
    if (told !== null) {
      const [, kind, name = '', rest = ''] = told
      if (kind === 'HELP' ? helped.has(name) : types.has(name)) fail(line, 'told twice')
      if (kind === 'HELP') helped.add(name)
      else types.set(name, rest)
      family = name
      continue
    }
    const sample = SAMPLE.exec(line) ?? fail(line, 'not a sample')
    const [, name = '', inside = '', value = ''] = sample
    if (name !== family && name.replace(SUFFIX, '') !== family) fail(line, `stands in the family ${family}`)
    if (!types.has(family)) fail(line, 'has no type')
    const key = `${name}{${inside}}`
    if (seen.has(key)) fail(line, 'seen twice')
    seen.add(key)
    samples.push({ name, labels: parseLabels(inside, line), value: parseValue(value, line) })
  }
  return { samples, types }
}

function parseLabels(inside: string, line: string): Record<string, string> {
  const labels: Record<string, string> = {}
  LABEL.lastIndex = 0
  for (let at = 0; at < inside.length; at = LABEL.lastIndex) {
    const match = LABEL.exec(inside)
    if (match === null) throw new Error(`labels: ${line}`)
    const [, name = '', raw = ''] = match
    if (name in labels) throw new Error(`label ${name} twice: ${line}`)
    labels[name] = raw.replaceAll(/\\(.)/g, (_, c: string) => (c === 'n' ? '\n' : c))
  }
  return labels
}

function parseValue(text: string, line: string): number {
  const value = text === '+Inf' ? Number.POSITIVE_INFINITY : text === '-Inf' ? Number.NEGATIVE_INFINITY : Number(text)
  if (Number.isNaN(value) && text !== 'NaN') throw new Error(`value: ${line}`)
  return value
}

/** Of all samples of that name that have these labels. */
export function sum(scrape: Scrape, name: string, labels: Readonly<Record<string, string>> = {}): number {
  return matching(scrape, name, labels).reduce((total, { value }) => total + value, 0)
}

export function matching(scrape: Scrape, name: string, labels: Readonly<Record<string, string>> = {}): Sample[] {
  const wanted = Object.entries(labels)
  return scrape.samples.filter((sample) => sample.name === name && wanted.every(([key, value]) => sample.labels[key] === value))
}
