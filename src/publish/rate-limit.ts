// A token bucket: so many at once, and one more each interval. Knows time; nothing of requests.

export interface Rate {
  readonly intervalMs: number
  readonly burst: number
}

/** Answers whether one more may pass now. `nowMs`: a clock that never goes back. */
export function rateLimit({ intervalMs, burst }: Rate, nowMs: () => number = () => performance.now()): () => boolean {
  let tokens = burst
  let lastMs = nowMs()
  return () => {
    const now = nowMs()
    tokens = Math.min(burst, tokens + (now - lastMs) / intervalMs)
    lastMs = now
    if (tokens < 1) return false
    tokens--
    return true
  }
}
