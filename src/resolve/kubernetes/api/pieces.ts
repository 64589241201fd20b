// Puts together the text of one thing whose bytes come in several chunks. Knows nothing of what it says.

export class Pieces {
  readonly #maxBytes: number
  #parts: Buffer[] = []
  #bytes = 0

  /** Beyond `maxBytes` they are let go, and the text is undefined. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  get empty(): boolean {
    return this.#bytes === 0
  }

  add(chunk: Buffer, from: number, to: number): void {
    if (from === to) return
    this.#bytes += to - from
    if (this.#bytes > this.#maxBytes) this.#parts = []
    else this.#parts.push(chunk.subarray(from, to))
  }

  /** All that was added and these last bytes; the next begins anew. */
  take(chunk: Buffer, from: number, to: number): string | undefined {
    if (this.#bytes === 0 && to - from <= this.#maxBytes) return chunk.toString('utf8', from, to)
    this.add(chunk, from, to)
    const text = this.#bytes > this.#maxBytes ? undefined : Buffer.concat(this.#parts).toString()
    this.#parts = []
    this.#bytes = 0
    return text
  }
}
