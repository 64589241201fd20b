import t from 'tap'
import { createProcessMemory, HEADER_BYTES } from '../../src/store/ledger-memory.ts'

t.test('it grows by zeroed chunks, each the same ever after, up to its bound', async (t) => {
  const memory = createProcessMemory({ chunkBytes: 64, maxChunks: 2 })
  t.equal(memory.header.byteLength, HEADER_BYTES)
  t.equal(memory.chunks(), 0)
  const first = memory.chunk(0)
  t.same([...new Uint8Array(first)], Array(64).fill(0))
  new Uint8Array(first)[0] = 1
  t.not(memory.chunk(1), first)
  t.equal(memory.chunks(), 2)
  t.equal(memory.chunk(0), first)
  t.throws(() => memory.chunk(2), RangeError)
})

t.test('no chunk is left out', async (t) => {
  t.throws(() => createProcessMemory().chunk(1), RangeError)
})
