// Waits for a promise that many wait for, no longer than asked, and leaves nothing behind on it. Knows nothing of what is awaited.

/** Calls back once, `ms` from now, unless the function that it returns is called before. */
export type After = (ms: number, call: () => void) => () => void

export const realAfter: After = (ms, call) => {
  const timer = setTimeout(call, ms)
  return () => clearTimeout(timer)
}

/** How a wait ended that brought no result. */
export class Late extends Error {
  override readonly name = 'Late'
}

interface Waiter {
  resolve(value: unknown): void
  reject(error: unknown): void
}

/**
 * A promise that hangs would gather one reaction for everybody who ever waited for it; here those who have gone are forgotten.
 * Rejects with the promise's error, with Late after `ms`, or with Late once `signal` is aborted.
 */
export class Waits {
  readonly #waiters = new WeakMap<Promise<unknown>, Set<Waiter>>()
  readonly #after: After

  constructor(after: After = realAfter) {
    this.#after = after
  }

  wait<T>(promise: Promise<T>, ms: number, signal: AbortSignal): Promise<T> {
    const waiters = this.#of(promise)
    return new Promise<T>((resolve, reject) => {
      const leave = (): void => {
        waiters.delete(waiter)
        cancel()
        signal.removeEventListener('abort', late)
      }
      const late = (): void => {
        leave()
        reject(new Late())
      }
      const waiter: Waiter = {
        resolve(value) {
          leave()
          resolve(value as T)
        },
        reject(error) {
          leave()
          reject(error)
        },
      }
      const cancel = this.#after(ms, late)
      waiters.add(waiter)
      signal.addEventListener('abort', late)
      if (signal.aborted) late()
    })
  }

  #of(promise: Promise<unknown>): Set<Waiter> {
    const known = this.#waiters.get(promise)
    if (known !== undefined) return known
    const waiters = new Set<Waiter>()
    this.#waiters.set(promise, waiters)
    // One promise, one reaction. A waiter that comes after it was settled gets one of its own: see the deletion.
    const settle = (tell: (waiter: Waiter) => void) => {
      this.#waiters.delete(promise)
      for (const waiter of waiters) tell(waiter)
    }
    promise.then(
      (value) => settle((waiter) => waiter.resolve(value)),
      (error) => settle((waiter) => waiter.reject(error)),
    )
    return waiters
  }
}
