import { readFileSync } from 'node:fs'
import t from 'tap'
import { giveBackFreed, returnBigBuffers } from '../../src/kernel/malloc.ts'

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

t.test('what was freed between buffers still held goes back to the system', async (t) => {
  const resident = (): number => process.memoryUsage.rss()
  // Below the size from which buffers come from the system one by one.
  const small = Array.from({ length: 4096 }, () => {
    const buffer = new ArrayBuffer(16 * 1024)
    new Uint8Array(buffer).fill(1)
    return buffer
  })
  const held = small.filter((_, index) => index % 64 === 0)
  for (const [index, buffer] of small.entries()) if (index % 64 !== 0) buffer.transfer(0)
  const before = resident()
  t.equal(await giveBackFreed(), true)
  t.ok(before - resident() > 40 * 1024 * 1024, `${before - resident()} bytes of 63 MiB with ${held.length} buffers held`)
})
