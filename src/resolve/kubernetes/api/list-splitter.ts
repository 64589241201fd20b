// Divides the JSON of a list into the texts of its `items` while the bytes come in, so that neither the whole body nor a parser's
// run over all of it is ever needed. Knows JSON's brackets, commas and strings; nothing of Kubernetes.
import { Pieces } from './pieces.ts'

/** All around the items: kind, version, metadata. */
const MAX_HEAD_BYTES = 1 << 20
/** Enough for the key before an array, with blanks. */
const TAIL = 64
const ITEMS_KEY = /(?<!\\)"items"\s*:\s*$/

const QUOTE = 0x22
const BACKSLASH = 0x5c
const COMMA = 0x2c
const OPEN_ARRAY = 0x5b
const CLOSE_ARRAY = 0x5d
const OPEN_OBJECT = 0x7b
const CLOSE_OBJECT = 0x7d
const BLANK = 0x20

/** Depth of what stands in the items array, and of the array's own key. */
const IN_ITEMS = 2
const AT_KEYS = 1

export class ListSplitter {
  readonly #item: Pieces
  #head = ''
  #headPart = new Pieces(MAX_HEAD_BYTES)
  #depth = 0
  #inString = false
  #escaped = false
  #inItems = false
  #itemBegun = false

  constructor(maxItemBytes: number) {
    this.#item = new Pieces(maxItemBytes)
  }

  /**
   * Goes through the chunk from `start` to the end of the next element and gives the place behind it; the chunk's length where it has
   * none. `item` gets the element's text; undefined for one too large. Throws where too much stands around the items.
   */
  next(chunk: Buffer, start: number, item: (text: string | undefined) => void): number {
    // Fields of the loop below in local variables: it sees every byte.
    let depth = this.#depth
    let inString = this.#inString
    let escaped = this.#escaped
    let inItems = this.#inItems
    let begun = this.#itemBegun
    /** Where the present run, of the head or of an element, begins in this chunk. */
    let from = start
    let at = start
    for (let ended = false; at < chunk.length && !ended; at++) {
      const byte = chunk[at] as number
      if (inString) {
        if (escaped) escaped = false
        else if (byte === BACKSLASH) escaped = true
        else if (byte === QUOTE) inString = false
        continue
      }
      if (byte <= BLANK) continue
      const between = inItems && depth === IN_ITEMS
      if (between && (byte === COMMA || byte === CLOSE_ARRAY)) {
        if (begun) item(this.#item.take(chunk, from, at))
        begun = false
        ended = byte === COMMA
      } else if (between && !begun) {
        begun = true
        from = at
      }
      if (byte === QUOTE) inString = true
      else if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) {
        depth++
        if (byte === OPEN_ARRAY && depth === IN_ITEMS && !inItems) {
          this.#addHead(chunk, from, at)
          if (ITEMS_KEY.test(this.#head.slice(-TAIL))) inItems = true
          this.#head += '['
          from = at + 1
        }
      } else if (byte === CLOSE_OBJECT || byte === CLOSE_ARRAY) {
        depth--
        if (inItems && depth === AT_KEYS) {
          inItems = false
          from = at
        }
      }
    }
    if (!inItems) this.#headPart.add(chunk, from, at)
    else if (begun) this.#item.add(chunk, from, at)
    this.#depth = depth
    this.#inString = inString
    this.#escaped = escaped
    this.#inItems = inItems
    this.#itemBegun = begun
    return at
  }

  /** The list without its items. Throws SyntaxError where what came was cut off, or is no JSON. */
  end(): unknown {
    this.#addHead(Buffer.alloc(0), 0, 0)
    return JSON.parse(this.#head)
  }

  #addHead(chunk: Buffer, from: number, to: number): void {
    const part = this.#headPart.take(chunk, from, to)
    if (part === undefined || this.#head.length + part.length > MAX_HEAD_BYTES) throw new SyntaxError('too much around the items')
    this.#head += part
  }
}
