// Remembers which rows what is so named is added to: placing takes twenty looks. Decides nothing itself.
import type { Attribution, FlowLabels } from '../model.ts'
import type { Placement } from './placement.ts'
import type { Row } from './row.ts'
import type { Table } from './table.ts'

/** Where all goes that has these labels. Good for ever: rows are found again where they have left. */
export class FlowPlace {
  /** Undefined until something is added to them. */
  flow: Row | undefined
  container: Row | undefined
  /** Did either find no room of its own? */
  crowded = false
  /** What `Placement.returns` was. */
  since = 0
  readonly attribution: Attribution
  readonly labels: FlowLabels
  /** What was seen of health, by the table's kind. */
  readonly health: (HealthPlace | undefined)[] = []

  constructor(labels: FlowLabels, attribution: Attribution) {
    this.labels = labels
    this.attribution = attribution
  }
}

/** In one table of health. */
export interface HealthPlace {
  readonly row: Row
  readonly crowded: boolean
  readonly since: number
}

export class FlowPlaces {
  readonly #flows: Table
  readonly #containers: Table
  readonly #placement: Placement

  constructor(flows: Table, containers: Table, placement: Placement) {
    this.#flows = flows
    this.#containers = containers
    this.#placement = placement
  }

  /** Its rows, made where there are none. */
  rows(place: FlowPlace): { readonly flow: Row; readonly container: Row } {
    const { flow, container } = place
    if (flow !== undefined && container !== undefined && this.#stands(place, flow, container)) return place as Standing
    return this.#find(place)
  }

  #stands({ crowded, since }: FlowPlace, flow: Row, container: Row): boolean {
    return !flow.gone && !container.gone && (!crowded || since === this.#placement.returns)
  }

  #find(place: FlowPlace): Standing {
    // First: whoever found no room asks again when some came while it was looking.
    place.since = this.#placement.returns
    const container = this.#placement.find(this.#containers, place.labels)
    const flow = this.#placement.find(this.#flows, place.labels)
    place.container = container.row
    place.flow = flow.row
    place.crowded = flow.crowded || container.crowded
    return place as Standing
  }
}

type Standing = FlowPlace & { readonly flow: Row; readonly container: Row }
