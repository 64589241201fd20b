import t from 'tap'
import { TIME_BUCKETS } from '../../src/metrics.ts'
import { formatBound, formatNumber, NUMBER_BYTES, putNumber } from '../../src/publish/number-text.ts'

t.test('bounds are written as Prometheus itself does, an exponent of two digits below 0.0001', async (t) => {
  const written: Readonly<Record<string, number>> = {
    '0': 0,
    '1e-05': 0.000_01,
    '1.6e-05': 16e-6,
    '6.4e-05': 64e-6,
    '9.999e-05': 0.000_099_99,
    '0.0001': 0.0001,
    '0.000256': 256e-6,
    '1e-10': 1e-10,
    '2.5e-07': 2.5e-7,
    '-1.6e-05': -16e-6,
    '0.5': 0.5,
    '16.777216': 16.777_216,
    '+Inf': Number.POSITIVE_INFINITY,
    '-Inf': Number.NEGATIVE_INFINITY,
  }
  for (const [text, bound] of Object.entries(written)) t.equal(formatBound(bound, 'prometheus'), text)
})

t.test('whole bounds have a fraction in OpenMetrics alone; all others read the same in both formats', async (t) => {
  t.equal(formatBound(10, 'prometheus'), '10')
  t.equal(formatBound(10, 'openmetrics'), '10.0')
  t.equal(formatBound(0, 'openmetrics'), '0.0')
  for (const bound of [...TIME_BUCKETS, Number.POSITIVE_INFINITY]) {
    t.equal(formatBound(bound, 'openmetrics'), formatBound(bound, 'prometheus'))
    if (Number.isFinite(bound)) t.equal(Number(formatBound(bound, 'openmetrics')), bound)
  }
})

t.test('a number is written where it is told to and takes no more than it may', async (t) => {
  for (const value of [0, 7, 999_999_999, 1e9, 2 ** 53, -2.225_073_858_507_201_4e-308, 0.1, Number.NaN, Number.POSITIVE_INFINITY]) {
    const bytes = Buffer.alloc(3 + NUMBER_BYTES, '#')
    const end = putNumber(bytes, 3, value)
    t.equal(bytes.toString('latin1', 3, end), formatNumber(value))
    t.match(bytes.toString('latin1', end), /^#+$/)
    t.equal(bytes.toString('latin1', 0, 3), '###')
  }
})
