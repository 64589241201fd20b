// Adds what flows did to the rows of their places, which remember them: to find them anew takes twenty looks. Decides nothing itself.
import type { Attribution, FlowCounts, FlowLabels } from '../model.ts'
import type { AttributedBytes } from './attribution.ts'
import type { Counter } from './counters.ts'
import type { FlowTable } from './flow-table.ts'
import type { Placement } from './placement.ts'
import type { Row } from './row.ts'

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

export interface FlowPlacesOptions {
  readonly flows: FlowTable
  readonly containers: FlowTable
  readonly placement: Placement
  readonly attributed: AttributedBytes
  /** How often a flow found no room of its own. */
  readonly overflow: Counter
}

interface Placed {
  readonly place: FlowPlace
  readonly counts: FlowCounts
}

type Standing = FlowPlace & { readonly flow: Row; readonly container: Row }

export class FlowPlaces {
  readonly #flows: FlowTable
  readonly #containers: FlowTable
  readonly #placement: Placement
  readonly #attributed: AttributedBytes
  readonly #overflow: Counter

  constructor({ flows, containers, placement, attributed, overflow }: FlowPlacesOptions) {
    this.#flows = flows
    this.#containers = containers
    this.#placement = placement
    this.#attributed = attributed
    this.#overflow = overflow
  }

  /**
   * A step for all of them before the next, each a short loop: rows lie all over memory, and the processor looks for those of several
   * flows at a time.
   */
  add(told: readonly Placed[]): void {
    const standing: Standing[] = []
    const moved: FlowCounts[] = []
    for (const { place, counts } of told) {
      if (isStill(counts)) continue
      standing.push(this.#find(place))
      moved.push(counts)
    }
    for (let index = 0; index < moved.length; index++) {
      this.#flows.add((standing[index] as Standing).flow, moved[index] as FlowCounts)
    }
    for (let index = 0; index < moved.length; index++) {
      const { container, attribution, crowded } = standing[index] as Standing
      const counts = moved[index] as FlowCounts
      this.#containers.add(container, counts)
      this.#attributed.add(attribution, counts)
      if (crowded) this.#overflow.add(1)
    }
  }

  #find(place: FlowPlace): Standing {
    const { flow, container, crowded, since } = place
    const known = flow !== undefined && container !== undefined && !flow.gone && !container.gone
    if (known && (!crowded || since === this.#placement.returns)) return place as Standing
    return this.#findAnew(place)
  }

  #findAnew(place: FlowPlace): Standing {
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

/** A flow that did nothing makes no series and keeps none alive. */
export function isStill(counts: FlowCounts): boolean {
  return (
    counts.sentBytes === 0 &&
    counts.receivedBytes === 0 &&
    counts.sentPackets === 0 &&
    counts.receivedPackets === 0 &&
    counts.opened === 0 &&
    counts.adopted === 0 &&
    counts.closed === 0 &&
    counts.retransmitted === 0
  )
}
