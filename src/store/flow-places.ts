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
   * What each flow did, at its place. A step for all of them before the next, each a short loop: rows lie all over memory, and the processor
   * looks for those of several flows at a time. Nothing is made of a flow on the way.
   */
  add(places: readonly FlowPlace[], counts: readonly FlowCounts[]): void {
    for (let index = 0; index < counts.length; index++) {
      if (!isStill(counts[index] as FlowCounts)) this.#stand(places[index] as FlowPlace)
    }
    for (let index = 0; index < counts.length; index++) {
      const did = counts[index] as FlowCounts
      if (!isStill(did)) this.#flows.add((places[index] as Standing).flow, did)
    }
    for (let index = 0; index < counts.length; index++) {
      const did = counts[index] as FlowCounts
      if (isStill(did)) continue
      const { container, attribution, crowded } = places[index] as Standing
      this.#containers.add(container, did)
      this.#attributed.add(attribution, did)
      if (crowded) this.#overflow.add(1)
    }
  }

  /** Gives the place its rows, unless it has them. */
  #stand(place: FlowPlace): void {
    const { flow, container, crowded, since } = place
    const known = flow !== undefined && container !== undefined && !flow.gone && !container.gone
    if (!known || (crowded && since !== this.#placement.returns)) this.#find(place)
  }

  #find(place: FlowPlace): void {
    // First: whoever found no room asks again when some came while it was looking.
    place.since = this.#placement.returns
    const container = this.#placement.find(this.#containers, place.labels)
    const flow = this.#placement.find(this.#flows, place.labels)
    place.container = container.row
    place.flow = flow.row
    place.crowded = flow.crowded || container.crowded
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
