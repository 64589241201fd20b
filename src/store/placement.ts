// Decides which row of a table a flow belongs to: its own, its workload's `other` where there is no room, the node's where there is
// none at all. Adds nothing to any of them.
import type { FlowLabels } from '../model.ts'
import type { Ledger } from './ledger.ts'
import type { SeriesLimit } from './limit.ts'
import type { Row } from './row.ts'
import type { Table } from './table.ts'

/** Where numbers go. */
export interface Place {
  readonly row: Row
  /** Did they find no room of their own? */
  readonly crowded: boolean
}

/** What the kernel's own last entry reads as: sums by node stay exact. */
const NODE: FlowLabels = {
  namespace: '',
  pod: '',
  container: '',
  workload: '',
  workloadKind: '',
  role: '',
  protocol: '',
  port: '',
  peerKind: 'overflow',
  peerNamespace: '',
  peerWorkload: '',
  peerZone: '',
}

export interface PlacementOptions {
  /** A row that finds no room within the limit gives way to its workload's `other`. */
  readonly limited: readonly Table[]
  /** Their rows stand outside the limit. */
  readonly unlimited: readonly Table[]
  readonly limit: SeriesLimit
  readonly ledger: Ledger
  readonly nowMs: number
}

export class Placement {
  readonly #tables: readonly Table[]
  readonly #limited: ReadonlySet<Table>
  readonly #limit: SeriesLimit
  readonly #ledger: Ledger
  readonly #nodeKeys: ReadonlyMap<Table, string>
  #made = new Set<Row>()
  #lastId = 0

  /** Rows that the ledger kept of these tables, oldest first, go back to where they were. */
  constructor({ limited, unlimited, limit, ledger, nowMs }: PlacementOptions) {
    this.#tables = [...limited, ...unlimited]
    this.#limited = new Set(limited)
    this.#limit = limit
    this.#ledger = ledger
    this.#nodeKeys = new Map(this.#tables.map((table) => [table, table.labels.key(table.labels.values(NODE))]))
    for (const { kind, id, labels, startMs, slot } of ledger.restored) {
      const table = this.#tables.find((table) => table.kind === kind)
      if (table === undefined) continue
      const lines = this.#lines(table, labels)
      limit.take(lines)
      table.restore({ id, labels, startMs }, slot, lines, nowMs)
      this.#lastId = Math.max(this.#lastId, id)
    }
  }

  /** Rises when room of any kind was given back: whoever was crowded may ask again. */
  get returns(): number {
    return this.#limit.returns + this.#ledger.returns
  }

  find(table: Table, labels: FlowLabels): Place {
    const values = table.labels.values(labels)
    const own = this.#findOrMake(table, values)
    if (own !== undefined) return { row: own, crowded: false }
    const other = this.#limited.has(table) ? this.#findOrMake(table, table.labels.widen(values)) : undefined
    const row = other ?? this.#findOrMake(table, table.labels.values(NODE))
    if (row === undefined) throw new RangeError('the row of the node has no slot')
    return { row, crowded: true }
  }

  /** Rows made since the last time are there to stay. */
  keep(): void {
    this.#made = new Set()
  }

  /** They were never made. To be called when the ledger was rolled back. */
  undo(): void {
    const made = this.#made
    this.keep()
    for (const row of made) if (row.lines > 0) this.#limit.giveBack(row.lines)
    for (const table of this.#tables) table.unmake(made)
  }

  /** Undefined where the limit or the ledger has no room. */
  #findOrMake(table: Table, values: readonly string[]): Row | undefined {
    const key = table.labels.key(values)
    const known = table.find(key)
    if (known !== undefined) return known
    const lines = this.#lines(table, values)
    if (!this.#limit.take(lines)) return undefined
    const series = { id: this.#lastId + 1, labels: values, startMs: this.#ledger.collectedMs }
    const row = table.make(series, lines, this.#isNode(table, key))
    if (row === undefined) {
      this.#limit.putBack(lines)
      return undefined
    }
    this.#lastId++
    this.#made.add(row)
    return row
  }

  #isNode(table: Table, key: string): boolean {
    return key === this.#nodeKeys.get(table)
  }

  /** What a row takes of the limit: `other`, `overflow` and whatever is counted by container stand outside. */
  #lines(table: Table, values: readonly string[]): number {
    if (!this.#limited.has(table) || table.labels.catchAll(values) || this.#isNode(table, table.labels.key(values))) return 0
    return table.linesOf(values)
  }
}
