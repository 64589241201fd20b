import t from 'tap'
import { decodeProcesses, PROCESS_BYTES, UNWRITTEN } from '../../src/kernel/nvml-processes.ts'

/** As a driver would fill a buffer of `room` entries. */
function written(stride: number, count: number, room: number): Buffer {
  const list = Buffer.alloc(room * PROCESS_BYTES, UNWRITTEN)
  for (let index = 0; index < count; index++) {
    list.writeUInt32LE(1000 + index, index * stride)
    list.writeBigUInt64LE(BigInt(index), index * stride + 8)
    if (stride < 24) continue
    list.writeUInt32LE(3, index * stride + 16)
    list.writeUInt32LE(0, index * stride + 20)
  }
  return list
}

const pidsOf = (list: Buffer, count: number): number[] => decodeProcesses(list, count).map(({ pid }) => pid)

t.test('a driver that writes past its entries is told by its pids', async (t) => {
  for (const stride of [16, 24, 32]) {
    const list = written(stride, 3, 64)
    list.fill(0, 3 * stride, 64 * stride)
    t.strictSame(pidsOf(list, 3), [1000, 1001, 1002], `${stride} bytes`)
  }
})

t.test('a driver that leaves its last field alone is told by its pids', async (t) => {
  for (const count of [1, 2, 3, 4, 5, 64]) {
    const expected = Array.from({ length: count }, (_, index) => 1000 + index)
    t.strictSame(pidsOf(written(32, count, 64), count), expected)
  }
})

t.test('a layout that nobody knows is an error, not a number', async (t) => {
  const list = Buffer.alloc(64 * PROCESS_BYTES)
  for (let index = 0; index < 4; index++) list.writeUInt32LE(1000 + index, index * 40)
  t.throws(() => decodeProcesses(list, 4), { name: 'NvmlError', failure: 'other' })
})
