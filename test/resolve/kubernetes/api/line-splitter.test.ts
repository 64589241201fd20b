import t from 'tap'
import { LineSplitter } from '../../../../src/resolve/kubernetes/api/line-splitter.ts'

function split(text: string, size: number, maxLineBytes = 1000): (string | undefined)[] {
  const splitter = new LineSplitter(maxLineBytes)
  const lines: (string | undefined)[] = []
  const bytes = Buffer.from(text)
  for (let from = 0; from < bytes.length; from += size) {
    const chunk = bytes.subarray(from, from + size)
    for (let at = 0; at < chunk.length; at = splitter.next(chunk, at, (line) => lines.push(line)));
  }
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

t.test('each look ends behind one line, so that there is time for others in between', (t) => {
  const splitter = new LineSplitter(100)
  const lines: (string | undefined)[] = []
  t.equal(
    splitter.next(Buffer.from('one\ntwo\n'), 0, (line) => lines.push(line)),
    4,
  )
  t.same(lines, ['one'])
  t.end()
})
