// What comes from the API server on its way to the index: stripped, counted where it is of no use. Knows neither lists nor watches.

import { parsed } from './events.ts'

/** Receives objects of one resource. All calls come in order, from one task. */
export interface ObjectSink<T> {
  /** A full list follows. Also without a `listed` for the one before, which was cut off then. */
  listing(): void
  put(object: T): void
  /** The list is complete: what was not put since the last `listing` has gone. Where that takes longer nothing is told meanwhile. */
  listed(): unknown
  /** `object`: as it was last. */
  remove(object: T): void
}

/** `garbage`: no JSON, or no event that is known. `malformed`: fields are missing. */
export type SkipReason = 'garbage' | 'malformed' | 'too_large'

/** etcd takes at most 1.5 MiB for an object, whose JSON is longer; parsing one of 4 MiB already takes some 30 ms. */
export const MAX_OBJECT_BYTES = 4 << 20

export class Intake<T> {
  readonly sink: ObjectSink<T>
  readonly #strip: (raw: unknown) => T | undefined
  readonly #skipped: (reason: SkipReason) => void

  constructor(sink: ObjectSink<T>, strip: (raw: unknown) => T | undefined, skipped: (reason: SkipReason) => void) {
    this.sink = sink
    this.#strip = strip
    this.#skipped = skipped
  }

  /** An element of a list; undefined for one too large. */
  item(text: string | undefined): void {
    if (text === undefined) this.skip('too_large')
    else {
      const raw = parsed(text)
      if (raw === undefined) this.skip('garbage')
      else this.put(raw)
    }
  }

  put(raw: unknown): void {
    const object = this.#stripped(raw)
    if (object === undefined) this.skip('malformed')
    else this.sink.put(object)
  }

  remove(raw: unknown): void {
    const object = this.#stripped(raw)
    if (object === undefined) this.skip('malformed')
    else this.sink.remove(object)
  }

  skip(reason: SkipReason): void {
    this.#skipped(reason)
  }

  /** What the API server sends may lack anything. */
  #stripped(raw: unknown): T | undefined {
    try {
      return this.#strip(raw)
    } catch {
      return undefined
    }
  }
}
