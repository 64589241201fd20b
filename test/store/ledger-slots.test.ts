import t from 'tap'
import { createProcessMemory } from '../../src/store/ledger-memory.ts'
import { LedgerSlots, SLOT_BYTES } from '../../src/store/ledger-slots.ts'
import { LEDGER_WRITER } from '../../src/store/ledger-writer.ts'
import { MEASURES, Numbers, type Slot } from '../../src/store/numbers.ts'

const SLOT = 5 as Slot

function written() {
  const memory = createProcessMemory({ chunkBytes: 10 * SLOT_BYTES, maxChunks: 2 })
  memory.chunk(0)
  const slots = new LedgerSlots(memory, LEDGER_WRITER)
  const numbers = new Numbers()
  numbers.clear(SLOT)
  numbers.add(SLOT, MEASURES.retransmitted, 4)
  slots.writeBank(SLOT, 1, 77, 9, true, numbers)
  return { memory, slots, numbers }
}

t.test('a bank comes back with its stamp and all its numbers', async (t) => {
  const { slots } = written()
  t.equal(slots.stamp(SLOT, 1), 9)
  t.ok(slots.live(SLOT, 1))
  t.ok(slots.intact(SLOT, 1, 77))
  const numbers = new Numbers()
  slots.loadBank(SLOT, 1, numbers)
  t.equal(numbers.total(SLOT, MEASURES.retransmitted), 4)
  t.same(numbers.touched, [])
})

t.test('a bank is not intact for another record, nor with any other bit', async (t) => {
  const { memory, slots } = written()
  t.notOk(slots.intact(SLOT, 1, 78))
  const bytes = new Uint8Array(memory.chunk(0))
  const start = (SLOT + 1) * SLOT_BYTES - 152
  let unseen = 0
  for (let bit = start * 8; bit < (SLOT + 1) * SLOT_BYTES * 8; bit++) {
    bytes[bit >> 3] = (bytes[bit >> 3] as number) ^ (1 << (bit & 7))
    if (slots.intact(SLOT, 1, 77)) unseen++
    bytes[bit >> 3] = (bytes[bit >> 3] as number) ^ (1 << (bit & 7))
  }
  t.equal(unseen, 0)
  t.ok(slots.intact(SLOT, 1, 77))
})

t.test('the same bytes in another slot are not intact', async (t) => {
  const { memory, slots } = written()
  new Uint8Array(memory.chunk(0)).copyWithin(6 * SLOT_BYTES, SLOT * SLOT_BYTES, 6 * SLOT_BYTES)
  t.notOk(slots.intact(6 as Slot, 1, 77))
})

t.test('the two banks and the neighbours keep apart', async (t) => {
  const { slots, numbers } = written()
  slots.writeBank(SLOT, 0, 77, 10, false, numbers)
  t.ok(slots.intact(SLOT, 0, 77) && slots.intact(SLOT, 1, 77))
  t.notOk(slots.live(SLOT, 0))
  for (const slot of [4, 6] as Slot[]) t.same([slots.stamp(slot, 0), slots.stamp(slot, 1), slots.head(slot).length], [0, 0, 0])
})

t.test('it grows as far as the memory does', async (t) => {
  const { slots } = written()
  t.equal(slots.count, 10)
  t.ok(slots.grow())
  t.equal(slots.count, 20)
  t.notOk(slots.grow())
})

t.test('a chunk of another size is refused', async (t) => {
  const memory = createProcessMemory()
  t.throws(() => new LedgerSlots({ ...memory, chunks: () => 1, chunk: () => new ArrayBuffer(8) }, LEDGER_WRITER), /8 bytes/)
})

t.test('zeroed slots have no stamps', async (t) => {
  const { slots } = written()
  slots.zero()
  t.equal(slots.stamp(SLOT, 1), 0)
})
