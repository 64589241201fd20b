// Numbers with a name and no labels, kept like those of series: what the exporter counts of itself. Knows no metric.
import type { Ledger } from './ledger.ts'
import { MEASURES, type Numbers, type Slot } from './numbers.ts'

/** Of the ledger's reserved slots, the rest being for rows that must find room always. */
const MAX_COUNTERS = 48

/** Any finite number, in transaction with the drain in which it is changed. */
export interface Counter {
  value(): number
  /** Within a drain only, as `set`. */
  add(delta: number): void
  set(value: number): void
}

export class Counters {
  readonly #ledger: Ledger
  readonly #kind: number
  readonly #within: () => void
  readonly #slots = new Map<string, Slot>()

  /** `kind`: of counters alone in the ledger. `within` throws where no drain is open. */
  constructor(ledger: Ledger, kind: number, within: () => void) {
    this.#ledger = ledger
    this.#kind = kind
    this.#within = within
    for (const { kind: of, slot, labels } of ledger.restored) if (of === kind) this.#slots.set(labels[0] ?? '', slot)
  }

  /** The slot of that name, the same over restarts. */
  slot(name: string): Slot {
    const known = this.#slots.get(name)
    if (known !== undefined) return known
    const room = this.#slots.size < MAX_COUNTERS
    const slot = room ? this.#ledger.take({ kind: this.#kind, id: 0, startMs: 0, labels: [name] }, true) : undefined
    if (slot === undefined) throw new RangeError(`no room for a counter named ${name}`)
    this.#slots.set(name, slot)
    return slot
  }

  counter(name: string): Counter {
    const { numbers } = this.#ledger
    const slot = this.slot(name)
    return {
      value: () => numbers.total(slot, MEASURES.sentBytes),
      add: (delta) => {
        this.#within()
        numbers.add(slot, MEASURES.sentBytes, delta)
      },
      set: (value) => {
        this.#within()
        numbers.set(slot, MEASURES.sentBytes, value)
      },
    }
  }

  get numbers(): Numbers {
    return this.#ledger.numbers
  }
}
