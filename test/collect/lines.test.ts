import t from 'tap'
import { Lines } from '../../src/collect/lines.ts'

function cut(...pieces: readonly (string | Uint8Array)[]): string[] {
  const taken: string[] = []
  const lines = new Lines((line) => taken.push(line))
  for (const piece of pieces) lines.add(typeof piece === 'string' ? Buffer.from(piece) : piece)
  lines.end()
  return taken
}

t.test('pieces become lines, wherever they were cut', async (t) => {
  t.strictSame(cut('a\nb', 'c\n', '\n\r\nd\r', '\n', 'e'), ['a', 'bc', '', 'd', 'e'])
  const text = Buffer.from('x="é€"\n')
  for (let at = 0; at <= text.length; at++) t.strictSame(cut(text.subarray(0, at), text.subarray(at)), ['x="é€"'])
})

t.test('a line that never ends is left out, and the next one is read', async (t) => {
  const piece = 'x'.repeat(50_000)
  t.strictSame(cut('a\n', piece, piece, piece, '\nb\n'), ['a', 'b'])
  t.strictSame(cut(piece, piece, piece), [])
})
