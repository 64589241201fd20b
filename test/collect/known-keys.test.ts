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
    return known.find(new DataView(batch.buffer, batch.byteOffset + BYTES + 1, BYTES + 3), 1)[0] as Made
  }
  const findAll = (...numbers: number[]): readonly Made[] => {
    const batch = Buffer.concat(numbers.map(bytesOf))
    return known.find(new DataView(batch.buffer, batch.byteOffset, batch.length), numbers.length)
  }
  return { clock, made, find, findAll, letGo: () => known.letGo() }
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

t.test('of a batch every key is found in its order, however often it is in there', async (t) => {
  const { findAll, made } = world(10_000)
  const [one, two, again, three, third] = findAll(1, 2, 1, 3, 1)
  t.same(
    [one, two, three].map((key) => key?.text),
    [1, 2, 3].map((number) => bytesOf(number).toString('hex')),
  )
  t.equal(again, one)
  t.equal(third, one)
  t.equal(made.length, 3)
  const many = Array.from({ length: 5000 }, (_, number) => number)
  const first = findAll(...many)
  t.equal(first[1], one)
  t.ok(first.every(({ text }, number) => text === bytesOf(number).toString('hex')))
  t.same(findAll(...many.toReversed()), first.toReversed())
  t.equal(made.length, 5000)
})

t.test('keys of one batch that are more than there is room for are all right', async (t) => {
  const { findAll } = world(10)
  const numbers = Array.from({ length: 100 }, (_, number) => number % 37)
  t.same(
    findAll(...numbers).map(({ text }) => text),
    numbers.map((number) => bytesOf(number).toString('hex')),
  )
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
