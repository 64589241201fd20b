import t from 'tap'
import { retryAfterMs } from '../../../src/publish/otlp/retry-info.ts'

const field = (number: number, bytes: Uint8Array): Buffer => Buffer.concat([Buffer.from([number * 8 + 2, bytes.length]), bytes])
const any = (type: string, value: Uint8Array): Buffer => field(3, Buffer.concat([field(1, Buffer.from(type)), field(2, value)]))
const RETRY = 'type.googleapis.com/google.rpc.RetryInfo'
const HEAD = Buffer.from([0x08, 8])

t.test('the delay is read, among other details too', async (t) => {
  // 300 s and 500,000,000 ns.
  const delay = Buffer.from([0x08, 0xac, 0x02, 0x10, 0x80, 0xca, 0xb5, 0xee, 0x01])
  const other = any('type.googleapis.com/google.rpc.DebugInfo', Buffer.from([0x0a, 1, 0x41]))
  t.equal(retryAfterMs(Buffer.concat([HEAD, other, any(RETRY, field(1, delay))])), 300_500)
  t.equal(retryAfterMs(Buffer.concat([HEAD, any(RETRY, Buffer.alloc(0))])), 0, 'now')
})

t.test('without it, and where it cannot be read, there is none', async (t) => {
  t.equal(retryAfterMs(Buffer.alloc(0)), undefined)
  t.equal(retryAfterMs(HEAD), undefined)
  const whole = Buffer.concat([HEAD, any(RETRY, field(1, Buffer.from([0x08, 0x05])))])
  for (let length = 3; length < whole.length; length++) t.equal(retryAfterMs(whole.subarray(0, length)), undefined, `${length} bytes`)
  t.equal(retryAfterMs(Buffer.alloc(40, 0xff)), undefined)
})
