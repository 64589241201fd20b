import t from 'tap'
import { Samples } from '../../../src/commands/diagnose/samples.ts'

const PAGE = String.raw`# HELP a_total With {braces} 1
# TYPE a_total counter
a_total{kind="x",of="1"} 3
a_total{kind="y",of="1"} 4
a_total{kind="x",of="2"} 5 1700000000000
odd{name="a\"b\\c\nd, e=\"f\"} 9",more="z"} 1.5e+06
up 1

not a sample
h_bucket{le="0.1",c="f"} 98
h_bucket{le="1",c="f"} 99
h_bucket{le="+Inf",c="f"} 100
h_count{c="f"} 100
h_bucket{le="0.1",c="g"} 0
h_bucket{le="+Inf",c="g"} 5
h_count{c="g"} 5
h_count{c="none"} 0
`
const samples = new Samples(PAGE.split('\n'))

t.test('samples are summed by name and labels', async (t) => {
  t.equal(samples.sum('a_total'), 12)
  t.equal(samples.sum('a_total', { kind: 'x' }), 8)
  t.equal(samples.sum('a_total', { kind: 'x', of: '2' }), 5)
  t.equal(samples.sum('a_total', { kind: 'z' }), 0)
  t.equal(samples.sum('none'), 0)
  t.strictSame(
    [...samples.by('a_total', 'kind')],
    [
      ['x', 8],
      ['y', 4],
    ],
  )
  t.strictSame([samples.has('up'), samples.has('not'), samples.has('HELP')], [true, false, false])
})

t.test('label values come unescaped', async (t) => {
  t.strictSame(samples.labels('odd'), { name: 'a"b\\c\nd, e="f"} 9', more: 'z' })
  t.equal(samples.sum('odd'), 1_500_000)
  t.strictSame(samples.labels('none'), {})
})

t.test('a share of a histogram lies within the bound of its bucket', async (t) => {
  t.equal(samples.bound('h', 0.98, { c: 'f' }), 0.1)
  t.equal(samples.bound('h', 0.99, { c: 'f' }), 1)
  t.equal(samples.bound('h', 0.999, { c: 'f' }), Number.POSITIVE_INFINITY)
  t.equal(samples.bound('h', 0.5, { c: 'g' }), Number.POSITIVE_INFINITY)
  t.equal(samples.bound('h', 0.5, { c: 'none' }), undefined)
})
