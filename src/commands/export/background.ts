// Collections that nobody asked for: so often, and a last one within a limit. Knows nothing of what is collected.
import type { Rounds } from '../../publish/rounds.ts'

/** How long a collection that is under way at the end may still take. */
const LAST_COLLECTION_MS = 3000

/** Collects now and in the background. Returns what ends it. */
export function collectEvery(intervalMs: number, rounds: Pick<Rounds<unknown>, 'join'>): () => Promise<void> {
  let last: Promise<unknown> = Promise.resolve()
  const collect = (): void => {
    last = rounds.join().catch(() => undefined)
  }
  const timer = setInterval(collect, intervalMs)
  collect()
  return async () => {
    clearInterval(timer)
    await withinLimit(last)
  }
}

/** Does so now and then until it is ended; whether it fails is nobody's concern. */
export function nowAndThen(intervalMs: number, deed: () => Promise<unknown>): () => void {
  const timer = setInterval(() => {
    deed().catch(() => undefined)
  }, intervalMs).unref()
  return () => clearInterval(timer)
}

/** Resolves when the collection has ended, however, or has taken too long. */
export async function withinLimit(collection: Promise<unknown>): Promise<void> {
  const limit = new Promise((resolve) => setTimeout(resolve, LAST_COLLECTION_MS).unref())
  await Promise.race([collection.catch(() => undefined), limit])
}
