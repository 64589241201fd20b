// Reads the wire format of protocol buffers, field by field. Knows no message.

export interface Field {
  readonly number: number
  /** Undefined for numbers. */
  readonly bytes: Buffer | undefined
}

const VARINT = 0
const FIXED_64 = 1
const DELIMITED = 2
const FIXED_32 = 5
const LONGEST_VARINT = 10

/** Fields in their order. Values that are numbers are passed over. Throws RangeError for what is cut off or no such format. */
export function* fieldsOf(message: Buffer): Generator<Field> {
  const reader = new Reader(message)
  while (!reader.done) {
    const tag = reader.varint()
    const [number, type] = [Math.floor(tag / 8), tag % 8]
    if (number === 0) throw new RangeError('a field without a number')
    if (type === DELIMITED) yield { number, bytes: reader.take(reader.varint()) }
    else {
      if (type === VARINT) reader.varint()
      else if (type === FIXED_64) reader.take(8)
      else if (type === FIXED_32) reader.take(4)
      else throw new RangeError(`a field of type ${type}`)
      yield { number, bytes: undefined }
    }
  }
}

class Reader {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  get done(): boolean {
    return this.#at >= this.#bytes.length
  }

  /** Exact below 2^53: tags and lengths are. */
  varint(): number {
    let value = 0
    for (let count = 0; count < LONGEST_VARINT; count++) {
      const byte = this.#bytes[this.#at++]
      if (byte === undefined) throw new RangeError('a number that is cut off')
      value += (byte & 0x7f) * 2 ** (7 * count)
      if (byte < 0x80) return value
    }
    throw new RangeError('a number without an end')
  }

  take(length: number): Buffer {
    const from = this.#at
    if (length > this.#bytes.length - from) throw new RangeError('a field that is cut off')
    this.#at = from + length
    return this.#bytes.subarray(from, this.#at)
  }
}
