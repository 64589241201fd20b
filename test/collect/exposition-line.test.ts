import t from 'tap'
import { nameOf, parseLine } from '../../src/collect/exposition-line.ts'

const plain = (text: string) => {
  const line = parseLine(text)
  return line === undefined ? undefined : { ...line, labels: Object.fromEntries(line.labels) }
}

t.test('a sample with labels, with none, with a time', async (t) => {
  t.strictSame(plain('a_b{x="1",y="two"} 3.5'), { name: 'a_b', labels: { x: '1', y: 'two' }, value: 3.5, timeMs: undefined })
  t.strictSame(plain('a 1e3'), { name: 'a', labels: {}, value: 1000, timeMs: undefined })
  t.strictSame(plain('a{} 1 1790000000123'), { name: 'a', labels: {}, value: 1, timeMs: 1_790_000_000_123 })
})

t.test('OpenMetrics: seconds, and an exemplar behind', async (t) => {
  t.equal(plain('a{x="1"} 3 1790000000.5')?.timeMs, 1_790_000_000_500)
  t.equal(plain('a_total{x="1"} 3 # {trace_id="{"} 0.5')?.value, 3)
})

t.test('what stands in quotes is text, braces and commas too', async (t) => {
  t.strictSame(plain(String.raw`a{x="a\"b\\c\nd",y="}, z=\"1\""} 1`)?.labels, { x: 'a"b\\c\nd', y: '}, z="1"' })
})

t.test('careless writers are understood', async (t) => {
  t.strictSame(plain('  a { x = "1" , y="2" , }   7  ')?.labels, { x: '1', y: '2' })
  t.equal(plain('a{x="1"}7')?.value, 7)
  t.equal(plain('a{pod.name="1"} 7')?.labels['pod.name' as never], '1')
  t.equal(plain('a +Inf')?.value, Number.POSITIVE_INFINITY)
  t.equal(plain('a -inf')?.value, Number.NEGATIVE_INFINITY)
})

t.test('what is no sample is none', async (t) => {
  for (const text of [
    '',
    '# HELP a b',
    '# EOF',
    'a',
    'a{x="1"',
    'a{x="1} 2',
    'a{x=1} 2',
    'a{x="1"} N/A',
    'a NaN',
    '{x="1"} 2',
    '<html>',
    'a 1 2 3',
  ])
    t.equal(parseLine(text), undefined, text)
  const many = Array.from({ length: 1000 }, (_, index) => `l${index}="1"`).join(',')
  t.equal(parseLine(`a{${many}} 1`), undefined, 'labels without an end')
})

t.test('a name is told without reading the rest', async (t) => {
  t.equal(nameOf('DCGM_FI_DEV_GPU_TEMP{nonsense'), 'DCGM_FI_DEV_GPU_TEMP')
  t.equal(nameOf('# HELP DCGM_FI_DEV_GPU_TEMP x'), undefined)
})
