import t from 'tap'
import { MEASURES, Numbers } from '../../src/store/numbers.ts'

const { sentBytes, receivedBytes } = MEASURES

t.test('a published counter never falls, and is exact again once the rest is made up for', async (t) => {
  const numbers = new Numbers()
  const slot = numbers.take()
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
  const slot = numbers.take()
  numbers.add(slot, sentBytes, 51)
  numbers.add(slot, sentBytes, -1)
  t.equal(numbers.publish(slot, sentBytes), 50)
})

t.test('a counter that only lost is published as 0', async (t) => {
  const numbers = new Numbers()
  const slot = numbers.take()
  numbers.add(slot, sentBytes, -3)
  t.equal(numbers.publish(slot, sentBytes), 0)
})

t.test('slots keep apart over many chunks, and none moves when the store grows', async (t) => {
  const numbers = new Numbers()
  const slots = Array.from({ length: 5000 }, (_, index) => {
    const slot = numbers.take()
    numbers.add(slot, sentBytes, index)
    numbers.add(slot, receivedBytes, -index)
    return slot
  })
  t.equal(new Set(slots).size, 5000)
  t.equal(numbers.size, 5000)
  t.ok(slots.every((slot, index) => numbers.total(slot, sentBytes) === index && numbers.total(slot, receivedBytes) === 0 - index))
})

t.test('a freed slot is used again, and starts at zero in what was added and in what was published', async (t) => {
  const numbers = new Numbers()
  const first = numbers.take()
  const neighbour = numbers.take()
  numbers.add(first, sentBytes, 7)
  numbers.add(neighbour, sentBytes, 8)
  numbers.publish(first, sentBytes)
  numbers.free(first)
  t.equal(numbers.size, 1)
  const again = numbers.take()
  t.equal(again, first)
  t.equal(numbers.total(again, sentBytes), 0)
  t.equal(numbers.publish(again, sentBytes), 0)
  t.equal(numbers.total(neighbour, sentBytes), 8)
})

t.test('sums are exact up to 2^53', async (t) => {
  const numbers = new Numbers()
  const slot = numbers.take()
  numbers.add(slot, sentBytes, Number.MAX_SAFE_INTEGER - 1)
  numbers.add(slot, sentBytes, 1)
  t.equal(numbers.publish(slot, sentBytes), Number.MAX_SAFE_INTEGER)
})
