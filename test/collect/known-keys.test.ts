import t from 'tap'
import { KnownKeys } from '../../src/collect/known-keys.ts'

const BYTES = 12

interface Made {
  readonly text: string
}

/** Keys, how often each was made anew, and a clock. */
function world(most: number) {
  const clock = { nowMs: 0 }
  const made: string[] = []
  const read = (keys: DataView, at: number): Made => {
    const text = Buffer.from(keys.buffer, keys.byteOffset + at, BYTES).toString('hex')
    made.push(text)
    return { text }
  }
  const known = new KnownKeys<Made>(BYTES, most, read, { idleMs: 100, nowMs: () => clock.nowMs })
  /** Not aligned, and something else on both sides. */
  const find = (bytes: Buffer): Made => {
    const batch = Buffer.concat([Buffer.alloc(BYTES + 1, 0xee), bytes, Buffer.alloc(3, 0xdd)])
    return known.find(new DataView(batch.buffer, batch.byteOffset + 1, batch.length - 1), BYTES)
  }
  return { clock, made, find, letGo: () => known.letGo() }
}

function bytesOf(number: number): Buffer {
  const bytes = Buffer.alloc(BYTES)
  bytes.writeUInt32LE(number, 4)
  return bytes
}

t.test('equal bytes give the same object, others another, and each is made once', async (t) => {
  const { find, made } = world(100)
  const first = find(bytesOf(1))
  t.equal(first.text, bytesOf(1).toString('hex'))
  t.equal(find(bytesOf(1)), first)
  for (let byte = 0; byte < BYTES; byte++) {
    const other = bytesOf(1)
    other[byte] = (other[byte] as number) ^ 0x80
    t.equal(find(other).text, other.toString('hex'))
    t.equal(find(other), find(other))
  }
  t.equal(find(bytesOf(1)), first)
  t.equal(made.length, 1 + BYTES)
})

t.test('as many as there may be are known, however many that is', async (t) => {
  const { find, made } = world(10_001)
  const objects = Array.from({ length: 10_000 }, (_, number) => find(bytesOf(number)))
  t.ok(objects.every((object, number) => object.text === bytesOf(number).toString('hex')))
  t.ok(objects.every((object, number) => find(bytesOf(number)) === object))
  t.equal(made.length, 10_000)
})

t.test('where there is no room for more, those go that were not told of for longest', async (t) => {
  const { find, made } = world(10)
  const [stays, goes] = [find(bytesOf(1)), find(bytesOf(2))]
  for (let number = 3; number < 12; number++) find(bytesOf(number))
  t.equal(find(bytesOf(1)), stays)
  for (let number = 20; number < 29; number++) find(bytesOf(number))
  t.equal(find(bytesOf(1)), stays)
  made.length = 0
  t.not(find(bytesOf(2)), goes)
  t.equal(made.length, 1)
})

t.test('what nobody tells of goes in time, what is told of stays', async (t) => {
  const { clock, find, letGo } = world(100)
  const [stays, goes] = [find(bytesOf(1)), find(bytesOf(2))]
  for (const nowMs of [99, 100, 150, 200, 250]) {
    clock.nowMs = nowMs
    letGo()
    t.equal(find(bytesOf(1)), stays)
  }
  t.not(find(bytesOf(2)), goes)
})

t.test('what was told of a moment ago stays, however late it is let go', async (t) => {
  const { clock, find, letGo } = world(100)
  const known = find(bytesOf(1))
  clock.nowMs = 1e6
  letGo()
  t.equal(find(bytesOf(1)), known)
})
