// Decides which row a flow belongs to: its own, its workload's `other` where there is no room, the node's where there is none at all.
// Adds nothing to any of them.
import type { FlowLabels } from '../model.ts'
import type { Ledger } from './ledger.ts'
import type { SeriesLimit } from './limit.ts'
import type { Row } from './row.ts'
import type { Table } from './table.ts'

/** Where a flow's numbers go. */
export interface Place {
  readonly flow: Row
  readonly container: Row
  /** Did it find no room of its own? */
  readonly crowded: boolean
}

interface Standing extends Place {
  /** What `#returns` was. */
  readonly since: number
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

export class Placement {
  readonly #flows: Table
  readonly #containers: Table
  readonly #limit: SeriesLimit
  readonly #ledger: Ledger
  // Bounded by the resolver's own cache, which holds the label objects.
  readonly #places = new WeakMap<FlowLabels, Standing>()
  readonly #node: { readonly flow: readonly string[]; readonly container: readonly string[] }
  #made = new Set<Row>()
  #lastId = 0

  /** Rows that the ledger kept of `flows` and `containers`, oldest first, go back to where they were. */
  constructor(flows: Table, containers: Table, limit: SeriesLimit, ledger: Ledger, nowMs: number) {
    this.#flows = flows
    this.#containers = containers
    this.#limit = limit
    this.#ledger = ledger
    this.#node = { flow: flows.labels.values(NODE), container: containers.labels.values(NODE) }
    for (const { kind, id, labels, startMs, slot } of ledger.restored) {
      const table = [flows, containers].find((table) => table.kind === kind)
      if (table === undefined) continue
      const lines = this.#lines(table, labels)
      limit.take(lines)
      table.restore({ id, labels, startMs }, slot, lines, nowMs)
      this.#lastId = Math.max(this.#lastId, id)
    }
  }

  find(labels: FlowLabels): Place {
    const known = this.#places.get(labels)
    if (known !== undefined && this.#stands(known)) return known
    // First: whoever found no room asks again when some came while it was looking.
    const since = this.#returns()
    const container = this.#container(labels)
    const flow = this.#flow(labels)
    const found = { flow: flow.row, container: container.row, crowded: flow.crowded || container.crowded, since }
    this.#places.set(labels, found)
    return found
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
    for (const table of [this.#flows, this.#containers]) table.unmake(made)
  }

  #stands(place: Standing): boolean {
    if (place.flow.gone || place.container.gone) return false
    return !place.crowded || place.since === this.#returns()
  }

  /** Rises when room of any kind was given back. */
  #returns(): number {
    return this.#limit.returns + this.#ledger.returns
  }

  #container(labels: FlowLabels): { row: Row; crowded: boolean } {
    const values = this.#containers.labels.values(labels)
    const row = this.#containers.find(this.#containers.labels.key(values)) ?? this.#make(this.#containers, values)
    if (row !== undefined) return { row, crowded: false }
    return { row: this.#nodeRow(this.#containers, this.#node.container), crowded: true }
  }

  #flow(labels: FlowLabels): { row: Row; crowded: boolean } {
    const flows = this.#flows
    const values = flows.labels.values(labels)
    const own = flows.find(flows.labels.key(values)) ?? this.#make(flows, values)
    if (own !== undefined) return { row: own, crowded: false }
    const wide = flows.labels.widen(values)
    const other = flows.find(flows.labels.key(wide)) ?? this.#make(flows, wide)
    return { row: other ?? this.#nodeRow(flows, this.#node.flow), crowded: true }
  }

  /** Undefined where the limit or the ledger has no room. */
  #make(table: Table, values: readonly string[]): Row | undefined {
    const lines = this.#lines(table, values)
    if (!this.#limit.take(lines)) return undefined
    const series = { id: this.#lastId + 1, labels: values, startMs: this.#ledger.collectedMs }
    const row = table.make(series, lines, this.#isNode(table, values))
    if (row === undefined) {
      this.#limit.putBack(lines)
      return undefined
    }
    this.#lastId++
    this.#made.add(row)
    return row
  }

  #nodeRow(table: Table, values: readonly string[]): Row {
    const row = table.find(table.labels.key(values)) ?? this.#make(table, values)
    if (row === undefined) throw new RangeError('the row of the node has no slot')
    return row
  }

  #isNode(table: Table, values: readonly string[]): boolean {
    const node = table === this.#flows ? this.#node.flow : this.#node.container
    return values.every((value, index) => value === node[index])
  }

  /** What a row takes of the limit: `other`, `overflow` and container rows stand outside. */
  #lines(table: Table, values: readonly string[]): number {
    if (table === this.#containers || table.labels.catchAll(values) || this.#isNode(table, values)) return 0
    return table.linesOf(values)
  }
}
