// Cuts a text that comes in pieces into its lines. Knows line ends; nothing of what stands in them.

/** Longer than any writer of metrics means to write; what is longer is left out. */
const LONGEST = 64 * 1024

export class Lines {
  readonly #take: (line: string) => void
  readonly #decoder = new TextDecoder()
  #begun = ''
  #tooLong = false

  constructor(take: (line: string) => void) {
    this.#take = take
  }

  add(piece: Uint8Array): void {
    const parts = this.#decoder.decode(piece, { stream: true }).split('\n')
    const last = parts.pop() ?? ''
    for (const part of parts) this.#end(part)
    this.#begun += last
    if (this.#begun.length > LONGEST) this.#tooLong = true
    if (this.#tooLong) this.#begun = ''
  }

  /** The text ends here: what has no line end is a line too. */
  end(): void {
    this.#end(this.#decoder.decode())
  }

  #end(rest: string): void {
    const line = this.#begun + rest
    if (!this.#tooLong && line !== '' && line.length <= LONGEST) this.#take(line.endsWith('\r') ? line.slice(0, -1) : line)
    this.#begun = ''
    this.#tooLong = false
  }
}
