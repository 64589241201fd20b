// Cuts what has gone silent. Knows time; nothing of what it guards.
import { Silence } from './failure.ts'

export class Watchdog {
  readonly #abort = new AbortController()
  readonly #timer: NodeJS.Timeout
  readonly #outer: AbortSignal
  readonly #passOn = (): void => this.#abort.abort(this.#outer.reason)

  /** `outer` cuts too. */
  constructor(silenceMs: number, outer: AbortSignal) {
    this.#outer = outer
    this.#timer = setTimeout(() => this.#abort.abort(new Silence()), silenceMs)
    if (outer.aborted) this.#passOn()
    else outer.addEventListener('abort', this.#passOn, { once: true })
  }

  get signal(): AbortSignal {
    return this.#abort.signal
  }

  /** As `what` ends, or as the cut comes. */
  async guard<T>(what: Promise<T>): Promise<T> {
    const cut = Promise.withResolvers<never>()
    const passOn = (): void => cut.reject(this.signal.reason)
    if (this.signal.aborted) passOn()
    this.signal.addEventListener('abort', passOn, { once: true })
    try {
      return await Promise.race([what, cut.promise])
    } finally {
      this.signal.removeEventListener('abort', passOn)
    }
  }

  heard(): void {
    this.#timer.refresh()
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer)
    this.#outer.removeEventListener('abort', this.#passOn)
  }
}
