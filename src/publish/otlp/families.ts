// The exporter's numbers about itself, and those of devices, as /metrics has them, as points. Knows families of samples; nothing of
// the store's tables.
import type { HrTime } from '@opentelemetry/api'
import { KEPT_COUNTERS } from '../../metrics.ts'
import type { Family, Sample } from '../text.ts'
import { Book, type Difference } from './book.ts'
import { type Labels, labelsOf } from './labels.ts'
import type { Temporality } from './mirror.ts'
import { attributeOf } from './names.ts'
import { histogramPoint, hrTime, NO_START, numberPoint, type OurPoint } from './points.ts'

/** Some hundred of its own, some hundred of devices under the names of whoever holds them; those told longest ago go first. */
const MAX_BOOKS = 10_000

export interface FamilyPoints {
  readonly family: Family & { readonly type: 'counter' | 'gauge' | 'histogram' }
  readonly delta: boolean
  readonly points: readonly OurPoint[]
}

interface Starts {
  /** When the process began to count. */
  readonly startMs: number
  /** When those counters began that outlive it. */
  readonly keptStartMs: number
  /** See messages.ts. */
  readonly delivered: 'none' | 'kept' | 'all'
}

export class Families {
  readonly #deltas: Temporality
  readonly #starts: Starts
  /** The one told longest ago first. */
  readonly #books = new Map<string, Book>()
  readonly #maxBooks: number

  constructor(deltas: Temporality, starts: Starts, maxBooks: number = MAX_BOOKS) {
    this.#deltas = deltas
    this.#starts = starts
    this.#maxBooks = maxBooks
  }

  /** Summaries have no form here and are left out; the exporter has none. */
  *points(families: readonly Family[], timeMs: number): Generator<FamilyPoints> {
    for (const family of families) {
      switch (family.type) {
        case 'gauge':
          yield { family: { ...family, type: 'gauge' }, delta: false, points: gauges(family, timeMs) }
          break
        case 'counter':
          yield { family: { ...family, type: 'counter' }, delta: this.#deltas.sums, points: this.#counters(family, timeMs) }
          break
        case 'histogram':
          yield { family: { ...family, type: 'histogram' }, delta: this.#deltas.histograms, points: this.#histograms(family, timeMs) }
          break
        case 'summary':
          break
        default:
          family.type satisfies never
      }
    }
  }

  #counters(family: Family, timeMs: number): OurPoint[] {
    return family.samples.flatMap(({ labels, value, startMs: beganMs }): OurPoint[] => {
      const given = { labels: ownLabels(family, labels), end: hrTime(timeMs) }
      const startMs = beganMs ?? this.#startMs(family)
      if (!this.#deltas.sums) return [numberPoint({ ...given, start: hrTime(startMs), value })]
      const next = this.#book(family, labels, [value], timeMs, beganMs !== undefined).difference(0, 0, [value], startMs, timeMs)
      return next === undefined ? [] : [numberPoint({ ...given, ...timesOf(next), value: next.value(0), settle: next.settle })]
    })
  }

  #histograms(family: Family, timeMs: number): OurPoint[] {
    return series(family.samples).flatMap(({ labels, bounds, totals }): OurPoint[] => {
      const given = { labels: ownLabels(family, labels), end: hrTime(timeMs) }
      const startMs = this.#startMs(family)
      const point = (read: (column: number) => number) => ({
        counts: Array.from({ length: bounds.length + 1 }, (_, index) => read(index)),
        bounds,
        sum: read(bounds.length + 1),
      })
      if (!this.#deltas.histograms) {
        return [histogramPoint({ ...given, start: hrTime(startMs), value: point((column) => totals[column] ?? 0) })]
      }
      const next = this.#book(family, labels, totals, timeMs).difference(0, 0, totals, startMs, timeMs)
      return next === undefined ? [] : [histogramPoint({ ...given, ...timesOf(next), value: point(next.value), settle: next.settle })]
    })
  }

  #startMs({ name }: Family): number {
    return KEPT_COUNTERS.has(name) ? this.#starts.keptStartMs : this.#starts.startMs
  }

  /** `older`: it began before this process, so what it is at first sight is nothing that was added since. */
  #book(family: Family, labels: Sample['labels'], totals: readonly number[], timeMs: number, older = false): Book {
    const key = `${family.name} ${JSON.stringify(labels)}`
    const book = this.#books.get(key) ?? this.#newBook(family, totals, timeMs, older)
    this.#books.delete(key)
    this.#books.set(key, book)
    if (this.#books.size > this.#maxBooks) this.#books.delete(this.#books.keys().next().value ?? '')
    return book
  }

  #newBook({ name }: Family, totals: readonly number[], timeMs: number, older: boolean): Book {
    const book = new Book(totals.length, 1)
    const { delivered } = this.#starts
    if (older || delivered === 'all' || (delivered === 'kept' && KEPT_COUNTERS.has(name))) book.take(0, 0, totals, timeMs)
    return book
  }
}

function timesOf({ startMs, endMs }: Difference): { start: HrTime; end: HrTime } {
  return { start: hrTime(startMs), end: hrTime(endMs) }
}

function gauges(family: Family, timeMs: number): OurPoint[] {
  const end = hrTime(timeMs)
  return family.samples.map(({ labels, value }) => numberPoint({ labels: ownLabels(family, labels), start: NO_START, end, value }))
}

/** Labels of Node's and the process' metrics keep their names: they are nobody's convention. */
function ownLabels({ name }: Family, labels: Sample['labels']): Labels {
  const ours = name.startsWith('orb8_')
  const pairs = Object.entries(labels).map(([label, value]) =>
    ours ? attributeOf(label, String(value), name) : value === '' ? undefined : ([label, value] as const),
  )
  return labelsOf(pairs.filter((pair) => pair !== undefined))
}

interface HistogramSeries {
  readonly labels: Sample['labels']
  /** Without the infinite one. */
  readonly bounds: readonly number[]
  /** Of each bucket alone, the infinite one too, and the sum. */
  readonly totals: readonly number[]
}

/** Prometheus' buckets hold all below them. */
function series(samples: readonly Sample[]): HistogramSeries[] {
  const found = new Map<string, { labels: Sample['labels']; bounds: number[]; below: number[]; sum: number; count: number }>()
  for (const { suffix, labels, value } of samples) {
    const { le, ...own } = labels
    const key = JSON.stringify(own)
    const one = found.get(key) ?? { labels: own, bounds: [], below: [], sum: 0, count: 0 }
    found.set(key, one)
    if (suffix === '_sum') one.sum = value
    else if (suffix === '_count') one.count = value
    else if (suffix === '_bucket' && Number.isFinite(Number(le))) {
      one.bounds.push(Number(le))
      one.below.push(value)
    }
  }
  return [...found.values()].map(({ labels, bounds, below, sum, count }) => {
    const counts = [...below, count].map((value, index) => value - (index === 0 ? 0 : (below[index - 1] ?? 0)))
    return { labels, bounds, totals: [...counts, sum] }
  })
}
