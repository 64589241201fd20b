// Remembers which rows what a flow did is added to, by the object of its labels: one look where placing takes twenty.
// Decides nothing itself.
import type { FlowLabels } from '../model.ts'
import type { Placement } from './placement.ts'
import type { Row } from './row.ts'
import type { Table } from './table.ts'

export interface FlowPlace {
  readonly flow: Row
  readonly container: Row
  /** Did either find no room of its own? */
  readonly crowded: boolean
}

interface Remembered extends FlowPlace {
  /** What `Placement.returns` was. */
  readonly since: number
}

export class FlowPlaces {
  readonly #flows: Table
  readonly #containers: Table
  readonly #placement: Placement
  // Bounded by the resolver's own cache, which holds the label objects.
  readonly #places = new WeakMap<FlowLabels, Remembered>()

  constructor(flows: Table, containers: Table, placement: Placement) {
    this.#flows = flows
    this.#containers = containers
    this.#placement = placement
  }

  find(labels: FlowLabels): FlowPlace {
    const known = this.#places.get(labels)
    if (known !== undefined && this.#stands(known)) return known
    // First: whoever found no room asks again when some came while it was looking.
    const since = this.#placement.returns
    const container = this.#placement.find(this.#containers, labels)
    const flow = this.#placement.find(this.#flows, labels)
    const found = { flow: flow.row, container: container.row, crowded: flow.crowded || container.crowded, since }
    this.#places.set(labels, found)
    return found
  }

  #stands({ flow, container, crowded, since }: Remembered): boolean {
    return !flow.gone && !container.gone && (!crowded || since === this.#placement.returns)
  }
}
