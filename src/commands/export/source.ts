// One source of devices as it is watched over: its failures are counted and told in the log once, and go no further. Knows no source.
import { KernelError, Orb8Error } from '../../errors.ts'

/** Whom a source tells how it does. */
export interface Listener {
  collected(collector: string, seconds: number): void
  collectionFailed(collector: string, reason: string, seconds: number): void
  /** A part did not work so often, the rest did. */
  collectedPartly(collector: string, reason: string, times: number): void
  warn(context: object, message: string): void
  info(context: object, message: string): void
}

export class Source {
  readonly #name: string
  readonly #listener: Listener
  #failing = ''

  constructor(name: string, listener: Listener) {
    this.#name = name
    this.#listener = listener
  }

  /** What it answers; `instead` where it fails; undefined where there is no such source. */
  async ask<T>(question: () => Promise<T | undefined>, instead?: T): Promise<T | undefined> {
    const began = performance.now()
    const seconds = (): number => (performance.now() - began) / 1000
    try {
      const answer = await question()
      if (answer === undefined) return undefined
      this.#listener.collected(this.#name, seconds())
      if (this.#failing !== '') this.#listener.info({ collector: this.#name }, 'collecting works again')
      this.#failing = ''
      return answer
    } catch (error) {
      const reason = reasonOf(error)
      this.#listener.collectionFailed(this.#name, reason, seconds())
      if (reason !== this.#failing) this.#listener.warn({ collector: this.#name, err: error }, 'collecting fails')
      this.#failing = reason
      return instead
    }
  }

  partly(failures: ReadonlyMap<string, number> | undefined): void {
    for (const [reason, times] of failures ?? []) this.#listener.collectedPartly(this.#name, reason, times)
  }
}

/** One of few words: it is a label. */
function reasonOf(error: unknown): string {
  if (error instanceof KernelError) return 'library'
  const { failure, code } = error as { readonly failure?: unknown; readonly code?: unknown }
  if (!(error instanceof Orb8Error)) return 'internal'
  return String(failure ?? code ?? 'other')
}
