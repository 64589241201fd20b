// What the exporter asks the time, and whom it tells where it is: parameters for tests. Knows nothing of what is done with it.
import type { Step } from '../../collect/flows.ts'

export interface World {
  /** Called before each step of a collection. */
  readonly step?: (name: Step) => void
  /** CLOCK_MONOTONIC, ns: the programs measure by it how long nobody has read. */
  readonly nowNs?: () => bigint
  /** ms since the epoch. */
  readonly nowMs?: () => number
}

/** ms, monotonic, the same for all processes of the host. */
export function clockOf({ nowNs = process.hrtime.bigint }: World): () => number {
  return () => Number(nowNs()) / 1e6
}
