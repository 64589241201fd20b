// How long a server wants to be left alone: google.rpc.RetryInfo out of the status that gRPC carries in `grpc-status-details-bin`.
// Reads just so much of protobuf.

const RETRY_INFO = 'type.googleapis.com/google.rpc.RetryInfo'
const VARINT = 0
const FIXED64 = 1
const BYTES = 2
const FIXED32 = 5

interface Field {
  readonly number: number
  /** Of a varint. */
  readonly value: number
  readonly bytes: Buffer
}

/** Milliseconds, or undefined where the status says nothing of it, or is not to be read. */
export function retryAfterMs(status: Buffer): number | undefined {
  try {
    for (const detail of fields(status)) {
      if (detail.number !== 3) continue
      const any = [...fields(detail.bytes)]
      if (any.find(({ number }) => number === 1)?.bytes.toString() !== RETRY_INFO) continue
      const info = any.find(({ number }) => number === 2)?.bytes ?? Buffer.alloc(0)
      const delay = [...fields([...fields(info)].find(({ number }) => number === 1)?.bytes ?? Buffer.alloc(0))]
      const part = (number: number): number => delay.find((field) => field.number === number)?.value ?? 0
      return part(1) * 1000 + part(2) / 1e6
    }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
  }
  return undefined
}

/** Throws RangeError where the message is cut off or of another form. */
function* fields(message: Buffer): Generator<Field> {
  for (let at = 0; at < message.length; ) {
    const [tag, afterTag] = varint(message, at)
    const number = Math.floor(tag / 8)
    switch (tag % 8) {
      case VARINT: {
        const [value, after] = varint(message, afterTag)
        yield { number, value, bytes: Buffer.alloc(0) }
        at = after
        break
      }
      case FIXED64:
        at = afterTag + 8
        break
      case FIXED32:
        at = afterTag + 4
        break
      case BYTES: {
        const [length, from] = varint(message, afterTag)
        at = from + length
        if (at > message.length) throw new RangeError('cut off')
        yield { number, value: 0, bytes: message.subarray(from, at) }
        break
      }
      default:
        throw new RangeError('no such wire type')
    }
  }
}

/** Its value and where it ends. Beyond 2^53 it is inexact, which no delay is. */
function varint(message: Buffer, from: number): readonly [value: number, end: number] {
  let value = 0
  for (let at = from; at < from + 10; at++) {
    const byte = message.readUInt8(at)
    value += (byte % 128) * 2 ** (7 * (at - from))
    if (byte < 128) return [value, at + 1]
  }
  throw new RangeError('too long')
}
