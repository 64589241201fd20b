import t from 'tap'
import { age, bytes, count, percent, seconds } from '../../../src/commands/diagnose/amounts.ts'

t.test('amounts are written with a unit of their size', async (t) => {
  t.strictSame([0, 1, 1023, 1024, 24_536_678, 2 ** 40, 2 ** 60].map(bytes), [
    '0 B',
    '1 B',
    '1023 B',
    '1 KiB',
    '23.4 MiB',
    '1 TiB',
    '1048576 TiB',
  ])
  t.strictSame([0, 0.0004, 0.025, 0.9999, 1, 12.34].map(seconds), ['0 ms', '0.4 ms', '25 ms', '1000 ms', '1 s', '12.3 s'])
  t.strictSame([0, 0.0004, 0.125, 0.999, 1].map(percent), ['0 %', '0 %', '12.5 %', '99.9 %', '100 %'])
  t.strictSame([-3, 40, 119, 120, 7200, 90_000, 200_000].map(age), ['0 s', '40 s', '119 s', '2 min', '2 h', '25 h', '2 days'])
  t.equal(count(65_536.4), '65,536')
})
