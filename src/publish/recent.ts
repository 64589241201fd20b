// The newest snapshot, and one far enough before it for a rate. Knows only when snapshots were taken.
import type { Snapshot } from '../model.ts'

/** Between the two, where there are two, ms: the rates of a shorter time are noise when many scrape. */
const APART_MS = 5000

export interface Recent {
  add(snapshot: Snapshot): void
  latest(): Snapshot | undefined
  /** At least 5 s before the latest. */
  earlier(): Snapshot | undefined
}

/** Holds three snapshots at most. */
export function createRecent(): Recent {
  let latest: Snapshot | undefined
  /** The newest that is far enough after `earlier` to follow it. */
  let next: Snapshot | undefined
  let earlier: Snapshot | undefined
  return {
    add(snapshot) {
      latest = snapshot
      if (next !== undefined && Math.abs(snapshot.timeMs - next.timeMs) < APART_MS) return
      earlier = next
      next = snapshot
    },
    latest: () => latest,
    earlier: () => earlier,
  }
}
