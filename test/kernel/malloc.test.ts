import { readFileSync } from 'node:fs'
import t from 'tap'
import { returnBigBuffers } from '../../src/kernel/malloc.ts'

const BYTES = 4 * 1024 * 1024
/** Bytes of the heap that grows by brk. */
const heapBytes = (): number => {
  const [, from = '0', to = '0'] = /^(\w+)-(\w+) .*\[heap\]$/m.exec(readFileSync('/proc/self/maps', 'latin1')) ?? []
  return Number.parseInt(to, 16) - Number.parseInt(from, 16)
}

t.test('big buffers never move into the heap, also after one of them was freed', async (t) => {
  t.equal(returnBigBuffers(), true)
  const before = heapBytes()
  for (let i = 0; i < 64; i++) {
    // Freed at once, as transferring it elsewhere and letting that go would.
    const big = new ArrayBuffer(BYTES)
    new Uint8Array(big).fill(1)
    big.transfer(0)
  }
  const held = Array.from({ length: 8 }, () => new Uint8Array(BYTES).fill(1))
  t.ok(heapBytes() - before < BYTES, `${heapBytes() - before} bytes more with ${held.length} buffers held`)
})
