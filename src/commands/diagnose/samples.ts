// A few metrics out of a page of Prometheus text. Knows the format; nothing of what a metric means.

interface Sample {
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? ([-+]?(?:[\d.]\S*|Inf)|NaN)/
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"/g

export class Samples {
  readonly #byName = new Map<string, Sample[]>()

  /** What is no sample is passed over. */
  constructor(lines: Iterable<string>) {
    for (const line of lines) {
      const [, name, labels = '', value = ''] = SAMPLE.exec(line) ?? []
      if (name === undefined) continue
      const samples = this.#byName.get(name) ?? []
      samples.push({ labels: readLabels(labels), value: readValue(value) })
      this.#byName.set(name, samples)
    }
  }

  has(name: string): boolean {
    return this.#byName.has(name)
  }

  /** Of all samples of the name that have these labels; 0 of none. */
  sum(name: string, labels: Readonly<Record<string, string>> = {}): number {
    return this.#of(name, labels).reduce((sum, { value }) => sum + value, 0)
  }

  /** By the values of one label. */
  by(name: string, label: string): ReadonlyMap<string, number> {
    const sums = new Map<string, number>()
    for (const { labels, value } of this.#of(name, {})) {
      const key = labels[label] ?? ''
      sums.set(key, (sums.get(key) ?? 0) + value)
    }
    return sums
  }

  labels(name: string): Readonly<Record<string, string>> {
    return this.#byName.get(name)?.[0]?.labels ?? {}
  }

  /** The bound of the bucket that reaches the share of a histogram's samples; undefined while it has none. */
  bound(name: string, share: number, labels: Readonly<Record<string, string>>): number | undefined {
    const wanted = share * this.sum(`${name}_count`, labels)
    if (wanted === 0) return undefined
    const bounds = this.#of(`${name}_bucket`, labels).flatMap(({ labels: { le = '' }, value }) => (value >= wanted ? [readValue(le)] : []))
    return Math.min(...bounds)
  }

  #of(name: string, wanted: Readonly<Record<string, string>>): readonly Sample[] {
    const pairs = Object.entries(wanted)
    return (this.#byName.get(name) ?? []).filter(({ labels }) => pairs.every(([key, value]) => labels[key] === value))
  }
}

function readLabels(inside: string): Record<string, string> {
  return Object.fromEntries(
    [...inside.matchAll(LABEL)].map(([, key = '', value = '']) => [
      key,
      value.replaceAll(/\\(.)/g, (_, c: string) => (c === 'n' ? '\n' : c)),
    ]),
  )
}

const readValue = (text: string): number =>
  text === '+Inf' ? Number.POSITIVE_INFINITY : text === '-Inf' ? Number.NEGATIVE_INFINITY : Number(text)
