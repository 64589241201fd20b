import t from 'tap'
import * as z from 'zod/mini'
import type { Check } from '../../src/config/checks.ts'
import { anyCaseWords, attributes, boolean, endpoint, exporters, file, headers, serviceName } from '../../src/config/otlp-checks.ts'

const WRONG = Symbol('wrong')
const read = (check: Check<unknown>, value: unknown): unknown => {
  const result = z.safeParse(check, value)
  return result.success ? result.data : WRONG
}

t.test('values are read as the specification says, whatever their case', async (t) => {
  for (const [check, value, wanted] of [
    [boolean, 'TRUE', true],
    [boolean, ' false ', false],
    [boolean, true, true],
    [boolean, '1', WRONG],
    [anyCaseWords(['none', 'gzip']), ' GZip', 'gzip'],
    [anyCaseWords(['none', 'gzip']), 'zstd', WRONG],
    [exporters, 'otlp', 'otlp'],
    [exporters, 'Prometheus, otlp', 'otlp'],
    [exporters, 'prometheus', 'none'],
    [exporters, 'none', 'none'],
    [exporters, 'console', WRONG],
    [file, '', ''],
    [file, '/ca.pem', '/ca.pem'],
    [file, 'a\0b', WRONG],
    [serviceName, 'orb8', 'orb8'],
    [serviceName, 'a\nb', WRONG],
    [endpoint, '', undefined],
    [endpoint, 'a:1', { address: 'a:1', tls: undefined }],
    [endpoint, 7, WRONG],
    [headers, { A: 'b' }, [['a', 'b']]],
    [headers, ['a'], WRONG],
    [attributes, 'a=b', [['a', 'b']]],
  ] as const)
    t.strictSame(read(check, value), wanted, String(value))
})
