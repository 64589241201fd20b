import t from 'tap'
import { createProcessMemory } from '../../src/store/ledger-memory.ts'
import { RecordText, readRecord } from '../../src/store/ledger-records.ts'
import { LedgerSlots } from '../../src/store/ledger-slots.ts'
import { LEDGER_WRITER } from '../../src/store/ledger-writer.ts'
import type { Slot } from '../../src/store/numbers.ts'

function slots(): LedgerSlots {
  const memory = createProcessMemory()
  memory.chunk(0)
  return new LedgerSlots(memory, LEDGER_WRITER)
}

const record = (labels: readonly string[]) => ({ kind: 2, id: 2 ** 40 + 1, startMs: 1.5e12, labels })
const CHAIN = Array.from({ length: 30 }, (_, index) => (100 - 3 * index) as Slot)

for (const labels of [
  ['shop', '', 'web', ''],
  [''],
  ['café', '\u{1f40b}', '\ufeffmark'],
  ['x'.repeat(175)],
  ['x'.repeat(176)],
  ['x'.repeat(177)],
  ['é'.repeat(1000), 'y'.repeat(2000)],
  ['z'.repeat(4096)],
]) {
  t.test(`labels of ${Buffer.byteLength(labels.join(' '))} bytes come back as they were`, async (t) => {
    const memory = slots()
    const text = new RecordText(record(labels))
    t.ok(text.fits)
    const hash = text.write(memory, CHAIN.slice(0, text.slots))
    const found = readRecord(memory, CHAIN[0] as Slot)
    t.same(found, { ...record(labels), key: ['2', ...labels].join('\0'), chain: CHAIN.slice(1, text.slots), hash })
  })
}

t.test('what was in the slots before does not show', async (t) => {
  const memory = slots()
  new RecordText(record(['x'.repeat(300)])).write(memory, CHAIN.slice(0, 2))
  const hash = new RecordText(record(['abcde'])).write(memory, CHAIN.slice(0, 1))
  t.same(readRecord(memory, CHAIN[0] as Slot)?.labels, ['abcde'])
  t.equal(new RecordText(record(['abcde'])).write(slots(), CHAIN.slice(0, 1)), hash)
})

t.test('labels that would not come back do not fit: too long, half a surrogate pair, a NUL', async (t) => {
  t.notOk(new RecordText(record(['z'.repeat(4097)])).fits)
  t.notOk(new RecordText(record(['é'.repeat(2049)])).fits)
  t.notOk(new RecordText(record(['a\ud800'])).fits)
  t.notOk(new RecordText(record(['a\0b'])).fits)
})

t.test('a chain that leads nowhere, and a length that cannot be, are no record', async (t) => {
  const memory = slots()
  new RecordText(record(['x'.repeat(300)])).write(memory, CHAIN.slice(0, 2))
  memory.writeNext(CHAIN[0] as Slot, 0)
  t.equal(readRecord(memory, CHAIN[0] as Slot), undefined)
  memory.writeNext(CHAIN[0] as Slot, memory.count)
  t.equal(readRecord(memory, CHAIN[0] as Slot), undefined)
  memory.writeHead(CHAIN[0] as Slot, { kind: 1, id: 1, startMs: 0, length: 4097 })
  t.equal(readRecord(memory, CHAIN[0] as Slot), undefined)
})

t.test('records that differ in kind, id, start or labels hash apart', async (t) => {
  const one = record(['a', 'b'])
  const others = [one, { ...one, kind: 1 }, { ...one, id: 1 }, { ...one, startMs: 1 }, { ...one, labels: ['a', 'c'] }]
  t.equal(new Set(others.map((other) => new RecordText(other).write(slots(), CHAIN.slice(0, 1)))).size, others.length)
})
