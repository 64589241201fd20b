import t from 'tap'
import { MEASURES, Numbers, type Slot, TALLIES } from '../../src/store/numbers.ts'

const { sentBytes, receivedBytes } = MEASURES

function taken(numbers: Numbers, slot = 3 as Slot): Slot {
  numbers.clear(slot)
  return slot
}

t.test('a published counter never falls, and is exact again once the rest is made up for', async (t) => {
  const numbers = new Numbers()
  const slot = taken(numbers)
  numbers.add(slot, sentBytes, 51)
  t.equal(numbers.publish(slot, sentBytes), 51)
  numbers.add(slot, sentBytes, -1)
  t.equal(numbers.publish(slot, sentBytes), 51)
  t.equal(numbers.total(slot, sentBytes), 50)
  numbers.add(slot, sentBytes, 100)
  t.equal(numbers.publish(slot, sentBytes), 150)
})

t.test('what was taken back before anything was published is never seen', async (t) => {
  const numbers = new Numbers()
  const slot = taken(numbers)
  numbers.add(slot, sentBytes, 51)
  numbers.add(slot, sentBytes, -1)
  t.equal(numbers.publish(slot, sentBytes), 50)
})

t.test('a counter that only lost is published as 0', async (t) => {
  const numbers = new Numbers()
  const slot = taken(numbers)
  numbers.add(slot, sentBytes, -3)
  t.equal(numbers.publish(slot, sentBytes), 0)
})

t.test('slots keep apart over many chunks, and none moves when more come', async (t) => {
  const numbers = new Numbers()
  const slots = Array.from({ length: 5000 }, (_, index) => {
    const slot = taken(numbers, index as Slot)
    numbers.add(slot, sentBytes, index)
    numbers.add(slot, receivedBytes, -index)
    return slot
  })
  t.ok(slots.every((slot, index) => numbers.total(slot, sentBytes) === index && numbers.total(slot, receivedBytes) === 0 - index))
})

t.test('a cleared slot starts at zero in what was added and in what was published, and its neighbour does not', async (t) => {
  const numbers = new Numbers()
  const first = taken(numbers, 1 as Slot)
  const neighbour = taken(numbers, 2 as Slot)
  numbers.add(first, sentBytes, 7)
  numbers.add(neighbour, sentBytes, 8)
  numbers.publish(first, sentBytes)
  numbers.clear(first)
  t.equal(numbers.total(first, sentBytes), 0)
  t.equal(numbers.publish(first, sentBytes), 0)
  t.equal(numbers.total(neighbour, sentBytes), 8)
})

t.test('it says which slots were touched, once each, until they are settled', async (t) => {
  const numbers = new Numbers()
  const slots = [5, 1, 2000].map((slot) => taken(numbers, slot as Slot))
  t.same(numbers.touched, [5, 1, 2000])
  numbers.settled()
  t.same(numbers.touched, [])
  for (const slot of slots) numbers.add(slot, sentBytes, 0)
  t.same(numbers.touched, [], 'nothing added is nothing touched')
  for (const slot of [...slots, ...slots]) numbers.add(slot, sentBytes, 1)
  t.same(numbers.touched, [5, 1, 2000])
})

t.test('all measures of a slot are published at once', async (t) => {
  const numbers = new Numbers()
  const slot = taken(numbers)
  numbers.add(slot, sentBytes, 5)
  numbers.add(slot, receivedBytes, 6)
  numbers.publishAll(slot)
  numbers.add(slot, sentBytes, -5)
  numbers.add(slot, receivedBytes, -6)
  t.same([numbers.publish(slot, sentBytes), numbers.publish(slot, receivedBytes)], [5, 6])
})

t.test('sums are exact up to 2^53', async (t) => {
  const numbers = new Numbers()
  const slot = taken(numbers)
  numbers.add(slot, sentBytes, Number.MAX_SAFE_INTEGER - 1)
  numbers.add(slot, sentBytes, 1)
  t.equal(numbers.publish(slot, sentBytes), Number.MAX_SAFE_INTEGER)
})

t.test('tallies are as many as there are, apart from each other and from when they moved', async (t) => {
  const numbers = new Numbers()
  const slot = taken(numbers)
  taken(numbers, 2 as Slot)
  taken(numbers, 4 as Slot)
  numbers.setMoved(slot, 99)
  for (let index = 0; index < TALLIES; index++) numbers.addTally(slot, index, index + 1)
  numbers.settled()
  numbers.addTally(slot, 3, 0)
  t.same(numbers.touched, [])
  numbers.addTally(slot, 3, 0.5)
  t.same(numbers.touched, [slot])
  t.same(
    Array.from({ length: TALLIES }, (_, index) => numbers.tally(slot, index)),
    Array.from({ length: TALLIES }, (_, index) => (index === 3 ? 4.5 : index + 1)),
  )
  t.equal(numbers.moved(slot), 99)
  for (const other of [2, 4] as Slot[]) {
    t.equal(numbers.moved(other), 0)
    for (let index = 0; index < TALLIES; index++) t.equal(numbers.tally(other, index), 0)
  }
})
