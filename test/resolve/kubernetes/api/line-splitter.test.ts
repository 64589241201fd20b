import t from 'tap'
import { LineSplitter } from '../../../../src/resolve/kubernetes/api/line-splitter.ts'

function split(text: string, size: number, maxLineBytes = 1000): (string | undefined)[] {
  const splitter = new LineSplitter(maxLineBytes)
  const lines: (string | undefined)[] = []
  const bytes = Buffer.from(text)
  for (let at = 0; at < bytes.length; at += size) splitter.write(bytes.subarray(at, at + size), (line) => lines.push(line))
  return lines
}

t.test('lines come out whole, wherever the chunks end', (t) => {
  for (const size of [1, 2, 3, 5, 100]) t.same(split('{"a":"é"}\n\n{"b":"🚀"}\n', size), ['{"a":"é"}', '{"b":"🚀"}'], `chunks of ${size}`)
  t.end()
})

t.test('what no newline ended is no line', (t) => {
  t.same(split('one\ntwo', 4), ['one'])
  t.end()
})

t.test('a line that is too long is told and passed over', (t) => {
  for (const size of [1, 7, 1000]) t.same(split(`a\n${'x'.repeat(100)}\nb\n`, size, 50), ['a', undefined, 'b'])
  t.end()
})
