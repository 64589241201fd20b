import t from 'tap'
import { fieldsOf } from '../../src/resolve/protobuf.ts'

const read = (...bytes: readonly number[]) => [...fieldsOf(Buffer.from(bytes))].map(({ number, bytes }) => [number, bytes?.toString()])

t.test('fields of every type are walked over, texts are handed out', async (t) => {
  t.strictSame(
    read(
      ...[0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
      ...[0x11, 1, 2, 3, 4, 5, 6, 7, 8],
      ...[0x1d, 1, 2, 3, 4],
      ...[0x22, 2, 0x68, 0x69],
      ...[0x22, 0],
      ...[0x82, 0x7d, 1, 0x78],
    ),
    [
      [1, undefined],
      [2, undefined],
      [3, undefined],
      [4, 'hi'],
      [4, ''],
      [2000, 'x'],
    ],
  )
  t.strictSame(read(), [])
})

t.test('what is cut off, or is no such format, is said so', async (t) => {
  for (const bytes of [[0x08], [0x08, 0x80], [0x22], [0x22, 5, 1], [0x1d, 1], [0x11], [0x02], [0x0b], [0x08, ...Array(10).fill(0xff), 1]])
    t.throws(() => read(...bytes), RangeError, String(bytes))
  t.throws(() => read(0x22, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f), RangeError, 'a length beyond all')
})
