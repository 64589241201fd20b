import t from 'tap'
import { Ledger, SLICE_SLOTS } from '../../src/store/ledger.ts'
import { createProcessMemory, type LedgerMemory } from '../../src/store/ledger-memory.ts'
import { LedgerSlots } from '../../src/store/ledger-slots.ts'
import { LEDGER_WRITER, type LedgerWriter } from '../../src/store/ledger-writer.ts'
import { MEASURES, type Slot } from '../../src/store/numbers.ts'
import { copyOf, keptMemory, mortalWriter, scarceMemory } from './kept-memory.ts'

const { sentBytes } = MEASURES

function open(memory: LedgerMemory, identity = 'i', write?: LedgerWriter): Ledger {
  return new Ledger({ memory, identity, startMs: 5, ...(write === undefined ? {} : { write }) })
}

let lastId = 0
function take(ledger: Ledger, name: string): Slot {
  return ledger.take({ kind: 1, id: ++lastId, startMs: 7, labels: [name] }) as Slot
}

function drain(ledger: Ledger, number: number, deed: () => void): void {
  ledger.begin({ number, source: 0 })
  deed()
  commit(ledger, number * 100)
}

function commit(ledger: Ledger, collectedMs: number): void {
  Array.from(ledger.commit(collectedMs))
}

const names = (ledger: Ledger) => ledger.restored.map(({ labels }) => labels[0])

t.test('what was committed is there for the next, oldest first, and what was not is not', async (t) => {
  const memory = keptMemory()
  const first = open(memory)
  t.match(first.opening, { restored: false, reason: /none yet/ })
  drain(first, 1, () => first.numbers.add(take(first, 'a'), sentBytes, 5))
  first.begin({ number: 2, source: 0 })
  first.numbers.add(take(first, 'b'), sentBytes, 6)
  const second = open(copyOf(memory))
  t.same(second.opening, { restored: true, reason: '' })
  t.match(second.restored, [{ kind: 1, labels: ['a'], startMs: 7 }])
  t.equal(second.numbers.total(second.restored[0]?.slot as Slot, sentBytes), 5)
  t.equal(second.collectedMs, 100)
  t.equal(second.startMs, 5)
  t.equal(second.used, 1)
})

t.test('a freed record is gone for the next, and its slot is used again, but not within its last drain', async (t) => {
  const memory = keptMemory()
  const ledger = open(memory)
  let slot = 0 as Slot
  drain(ledger, 1, () => {
    slot = take(ledger, 'a')
  })
  const returns = ledger.returns
  drain(ledger, 2, () => {
    ledger.free(slot)
    t.not(take(ledger, 'b'), slot)
    t.equal(ledger.returns, returns)
  })
  t.ok(ledger.returns > returns)
  t.same(names(open(copyOf(memory))), ['b'])
  t.equal(take(ledger, 'c'), slot)
  t.equal(ledger.numbers.total(slot, sentBytes), 0)
})

t.test('what a drain left that never was does not come alive when its number comes again without it', async (t) => {
  const memory = keptMemory()
  const first = open(memory)
  drain(first, 1, () => take(first, 'a'))
  // Killed at the last store of the second drain: all is written, nothing counts.
  const writer = mortalWriter(Number.POSITIVE_INFINITY)
  const whole = open(copyOf(memory), 'i', writer)
  const second = (ledger: Ledger) => drain(ledger, 2, () => ledger.numbers.add(take(ledger, 'ghost'), sentBytes, 1))
  second(whole)
  t.throws(() => second(open(memory, 'i', mortalWriter(writer.done - 1))), /killed/)
  const third = open(memory)
  t.equal(third.committed.number, 1)
  drain(third, 2, () => undefined)
  const last = open(copyOf(memory))
  t.same(last.opening, { restored: true, reason: '' })
  t.same(names(last), ['a'])
})

t.test('a drain is committed once, in order, from a map that there can be', async (t) => {
  const ledger = open(keptMemory())
  drain(ledger, 5, () => undefined)
  t.throws(() => ledger.begin({ number: 5, source: 0 }), RangeError)
  t.throws(() => ledger.begin({ number: 4, source: 0 }), RangeError)
  t.throws(() => ledger.begin({ number: Number.NaN, source: 0 }), RangeError)
  t.throws(() => ledger.begin({ number: 6, source: 16 }), RangeError)
  ledger.begin({ number: 6, source: 15 })
  commit(ledger, 0)
  t.same(ledger.committed, { number: 6, source: 15 })
  t.same(ledger.emptied, { number: 0, source: 0 })
  ledger.empty()
  t.same(ledger.emptied, { number: 6, source: 15 })
})

t.test('another identity begins at 0 and says why', async (t) => {
  const memory = keptMemory()
  const ledger = open(memory)
  drain(ledger, 1, () => take(ledger, 'a'))
  const other = open(memory, 'other')
  t.match(other.opening, { restored: false, reason: /changed/ })
  t.same(other.restored, [])
  t.equal(other.committed.number, 0)
  t.match(open(memory, 'i').opening, { restored: false })
})

t.test('two records with the same labels are damage', async (t) => {
  const memory = keptMemory()
  const ledger = open(memory)
  drain(ledger, 1, () => {
    take(ledger, 'a')
    take(ledger, 'a')
  })
  t.match(open(memory).opening.reason, /same labels/)
})

t.test('two records that share a slot are damage', async (t) => {
  const memory = keptMemory()
  const ledger = open(memory)
  drain(ledger, 1, () => {
    const tail = 'x'.repeat(100)
    const [one, two] = [take(ledger, 'a'.repeat(176) + tail), take(ledger, 'b'.repeat(176) + tail)]
    const slots = new LedgerSlots(memory, LEDGER_WRITER)
    slots.writeNext(two, slots.next(one))
  })
  t.match(open(memory).opening.reason, /share a slot/)
})

t.test('a number that is none begins everything at 0', async (t) => {
  const memory = keptMemory()
  const ledger = open(memory)
  drain(ledger, 1, () => ledger.numbers.add(take(ledger, 'a'), sentBytes, Number.NaN))
  t.match(open(memory).opening.reason, /damaged/)
})

t.test('where memory is refused no slot is given, except the reserved; the next drain asks again', async (t) => {
  const kept = keptMemory()
  let chunks = 1
  const memory = {
    ...scarceMemory(1),
    header: kept.header,
    chunk: (index: number) => (index < chunks ? kept : scarceMemory(0)).chunk(index),
    chunks: kept.chunks,
  }
  const ledger = open(memory)
  t.equal(take(ledger, 'a'), undefined)
  t.ok(ledger.take({ kind: 1, id: 1, startMs: 0, labels: ['node'] }, true))
  chunks = 2
  t.equal(take(ledger, 'a'), undefined, 'once a drain is enough')
  const returns = ledger.returns
  ledger.begin({ number: 1, source: 0 })
  t.ok(take(ledger, 'a'))
  t.ok(ledger.returns > returns, 'whoever found no room is told')
})

t.test('memory has an end', async (t) => {
  const ledger = open(keptMemory(2))
  let taken = 0
  while (take(ledger, `${taken}`) !== undefined) taken++
  t.equal(taken, 64)
})

t.test('taken back, slots have what was committed; new ones have zeroes', async (t) => {
  const ledger = open(keptMemory())
  let old = 0 as Slot
  drain(ledger, 1, () => {
    old = take(ledger, 'a')
    ledger.numbers.add(old, sentBytes, 5)
  })
  ledger.begin({ number: 2, source: 0 })
  const young = take(ledger, 'b')
  for (const slot of [old, young]) ledger.numbers.add(slot, sentBytes, 9)
  ledger.rollback()
  t.same([ledger.numbers.total(old, sentBytes), ledger.numbers.total(young, sentBytes)], [5, 0])
})

t.test('what somebody else has changed is not taken back', async (t) => {
  const memory = keptMemory()
  const ledger = open(memory)
  drain(ledger, 1, () => take(ledger, 'a'))
  ledger.begin({ number: 2, source: 0 })
  ledger.numbers.add(64 as Slot, sentBytes, 9)
  new Uint8Array(memory.chunk(1)).fill(0)
  t.throws(() => ledger.rollback(), /changed by somebody else/)
})

t.test('a commit of many slots comes in slices, of few in one; it counts after the last', async (t) => {
  const memory = createProcessMemory()
  const ledger = open(memory)
  const touch = (count: number) => {
    for (let index = 0; index < count; index++) ledger.numbers.add(slots[index] as Slot, sentBytes, 1)
  }
  const slots: Slot[] = []
  drain(ledger, 1, () => {
    for (let index = 0; index < 2 * SLICE_SLOTS; index++) slots.push(take(ledger, `${index}`))
  })
  // META is written by every commit.
  const pauses = (number: number, count: number): number => {
    ledger.begin({ number, source: 0 })
    touch(count)
    let pauses = 0
    for (const _ of ledger.commit(0)) {
      pauses++
      t.equal(ledger.committed.number, number - 1)
    }
    t.equal(ledger.committed.number, number)
    return pauses
  }
  t.equal(pauses(2, SLICE_SLOTS), 0)
  t.equal(pauses(3, SLICE_SLOTS + 1), 2)
  t.equal(pauses(4, 2 * SLICE_SLOTS), 2)
  const next = open(memory)
  t.equal(next.numbers.total(next.restored[0]?.slot as Slot, sentBytes), 3)
})
