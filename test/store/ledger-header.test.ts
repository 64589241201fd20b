import t from 'tap'
import { LedgerHeader, MAX_NUMBER, MAX_SOURCE } from '../../src/store/ledger-header.ts'
import { createProcessMemory } from '../../src/store/ledger-memory.ts'
import { LEDGER_WRITER } from '../../src/store/ledger-writer.ts'

function header() {
  const memory = createProcessMemory()
  return { header: new LedgerHeader(memory, LEDGER_WRITER), bytes: new Uint8Array(memory.header) }
}

t.test('memory of zeroes is no ledger, and one that has begun is', async (t) => {
  const { header: made } = header()
  t.match(made.problem('a'), /none yet/)
  made.begin('a', 5)
  t.equal(made.problem('a'), undefined)
  t.equal(made.startMs, 5)
  t.same(made.committed, { number: 0, source: 0 })
  t.same(made.emptied, { number: 0, source: 0 })
})

t.test('another identity cannot go on', async (t) => {
  const { header: made } = header()
  made.begin('a', 5)
  t.match(made.problem('b'), /changed/)
})

t.test('drains and their sources come back, up to the highest', async (t) => {
  const { header: made } = header()
  made.begin('a', 5)
  made.commit({ number: MAX_NUMBER, source: MAX_SOURCE })
  t.same(made.committed, { number: MAX_NUMBER, source: MAX_SOURCE })
  made.empty({ number: 7, source: 1 })
  t.same(made.emptied, { number: 7, source: 1 })
  t.equal(made.problem('a'), undefined)
})

t.test('a map cannot be emptied before its drain is committed', async (t) => {
  const { header: made } = header()
  made.begin('a', 5)
  made.commit({ number: 3, source: 0 })
  made.empty({ number: 4, source: 0 })
  t.match(made.problem('a'), /drain numbers/)
})

t.test('one changed bit anywhere in it is seen', async (t) => {
  const { header: made, bytes } = header()
  made.begin('a', 5)
  made.commit({ number: 3, source: 1 })
  made.empty({ number: 3, source: 1 })
  let unseen = 0
  for (let bit = 0; bit < 48 * 8; bit++) {
    // The upper half of the word that holds the check is not used.
    if (bit >= 28 * 8 && bit < 32 * 8) continue
    bytes[bit >> 3] = (bytes[bit >> 3] as number) ^ (1 << (bit & 7))
    if (made.problem('a') === undefined) unseen++
    bytes[bit >> 3] = (bytes[bit >> 3] as number) ^ (1 << (bit & 7))
  }
  t.equal(unseen, 0)
  t.equal(made.problem('a'), undefined)
})

t.test('an invalidated ledger does not count until it begins anew', async (t) => {
  const { header: made } = header()
  made.begin('a', 5)
  made.invalidate()
  t.not(made.problem('a'), undefined)
  made.begin('a', 6)
  t.equal(made.problem('a'), undefined)
})
