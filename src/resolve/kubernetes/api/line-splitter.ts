// Divides a stream of bytes into lines, as a watch writes its events. Knows newlines only.
import { Pieces } from './pieces.ts'

const NEWLINE = 0x0a

export class LineSplitter {
  readonly #line: Pieces

  constructor(maxLineBytes: number) {
    this.#line = new Pieces(maxLineBytes)
  }

  /**
   * Goes through the chunk from `start` to the end of the next line and gives the place behind it; the chunk's length where none ends.
   * `line` gets its text, unless it is empty; undefined for one too long. What no newline ended is never handed out.
   */
  next(chunk: Buffer, start: number, line: (text: string | undefined) => void): number {
    const end = chunk.indexOf(NEWLINE, start)
    if (end === -1) {
      this.#line.add(chunk, start, chunk.length)
      return chunk.length
    }
    if (end > start || !this.#line.empty) line(this.#line.take(chunk, start, end))
    return end + 1
  }
}
