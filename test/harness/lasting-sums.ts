// Adds up over many scrapes what rows showed, also those that have left since. Knows the text format and three labels; reads only
// what it adds up, so that pages of a hundred thousand lines can be taken twice a second.
export interface Field {
  readonly metric: string
  /** What the line must hold beside, such as `direction="egress"`. */
  readonly having?: string
}

interface Seen {
  readonly workload: string
  readonly field: string
  value: number
  /** Of the scrapes: the last one that had it. */
  scrape: number
}

export class LastingSums {
  /** Every counter that was lower than in the scrape before. */
  readonly falls: string[] = []
  readonly #fields: readonly (readonly [string, Field])[]
  readonly #gauges: ReadonlySet<string>
  readonly #seen = new Map<string, Seen>()
  /** What rows showed that have left: by workload, then by field. */
  readonly #left = new Map<string, Map<string, number>>()
  #scrapes = 0
  #leavings = 0

  /** `gauges`: the names of fields that may fall, and leave nothing behind. */
  constructor(fields: Readonly<Record<string, Field>>, gauges: readonly string[] = []) {
    this.#fields = Object.entries(fields)
    this.#gauges = new Set(gauges)
  }

  /** How many rows have left. */
  get leavings(): number {
    return this.#leavings
  }

  /** Workloads that have rows in the last scrape. */
  shown(): ReadonlySet<string> {
    return new Set([...this.#seen.values()].map(({ workload }) => workload))
  }

  /** One scrape, whole. */
  take(body: string): void {
    this.#scrapes++
    for (const [field, { metric, having = '' }] of this.#fields) {
      for (const line of linesOf(body, metric)) if (line.includes(having)) this.#takeLine(field, line)
    }
    for (const [key, row] of this.#seen) if (row.scrape !== this.#scrapes) this.#leave(key, row)
  }

  /** By workload, then by field. */
  byWorkload(): Map<string, Map<string, number>> {
    const sums = new Map([...this.#left].map(([workload, fields]) => [workload, new Map(fields)]))
    for (const row of this.#seen.values()) add(sums, row)
    return sums
  }

  /** Of all workloads together. */
  total(field: string): number {
    let sum = 0
    for (const sums of this.#left.values()) sum += sums.get(field) ?? 0
    for (const row of this.#seen.values()) if (row.field === field) sum += row.value
    return sum
  }

  #takeLine(field: string, line: string): void {
    const end = line.lastIndexOf(' ')
    const value = Number(line.slice(end + 1))
    const row = this.#seen.get(line.slice(0, end))
    if (row === undefined) {
      // Copies, not slices: those would keep the whole page.
      const key = copyOf(line.slice(0, end))
      this.#seen.set(key, { workload: copyOf(workloadIn(line)), field, value, scrape: this.#scrapes })
      return
    }
    if (value < row.value && !this.#gauges.has(field)) this.falls.push(`${line}, and ${row.value} before`)
    row.value = value
    row.scrape = this.#scrapes
  }

  #leave(key: string, { workload, field, value }: Seen): void {
    this.#seen.delete(key)
    this.#leavings++
    if (this.#gauges.has(field)) return
    add(this.#left, { workload, field, value })
  }
}

function add(sums: Map<string, Map<string, number>>, { workload, field, value }: Pick<Seen, 'workload' | 'field' | 'value'>): void {
  const fields = sums.get(workload) ?? new Map<string, number>()
  sums.set(workload, fields.set(field, (fields.get(field) ?? 0) + value))
}

/** A family's lines stand together. */
function* linesOf(body: string, metric: string): Generator<string> {
  const head = `${metric}{`
  let at = body.startsWith(head) ? 0 : body.indexOf(`\n${head}`) + 1
  if (at === 0 && !body.startsWith(head)) return
  while (body.startsWith(head, at)) {
    const end = body.indexOf('\n', at)
    yield body.slice(at, end)
    at = end + 1
  }
}

function workloadIn(line: string): string {
  return /[{,]workload="([^"]*)"/.exec(line)?.[1] ?? ''
}

function copyOf(text: string): string {
  return Buffer.from(text).toString()
}
