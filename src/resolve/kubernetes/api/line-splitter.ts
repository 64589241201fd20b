// Divides a stream of bytes into lines, as a watch writes its events. Knows newlines only.
import { Pieces } from './pieces.ts'

const NEWLINE = 0x0a

export class LineSplitter {
  readonly #line: Pieces

  constructor(maxLineBytes: number) {
    this.#line = new Pieces(maxLineBytes)
  }

  /** `line` gets each complete one; undefined for one too long. What no newline ended is never handed out. */
  write(chunk: Buffer, line: (text: string | undefined) => void): void {
    let from = 0
    for (let to = chunk.indexOf(NEWLINE); to !== -1; to = chunk.indexOf(NEWLINE, from)) {
      if (to > from || !this.#line.empty) line(this.#line.take(chunk, from, to))
      from = to + 1
    }
    this.#line.add(chunk, from, chunk.length)
  }
}
