import t from 'tap'
import type { Finding } from '../../../src/commands/diagnose/check.ts'
import { asJson, asText } from '../../../src/commands/diagnose/report.ts'

const FINDINGS: readonly Finding[] = [
  { check: 'btf', status: 'ok', found: 'there', remedy: '' },
  { check: 'program x', status: 'fail', found: 'EINVAL:\n  bad insn', remedy: 'a newer kernel' },
]

t.test('a line each, in columns', async (t) => {
  t.equal(asText(FINDINGS), 'ok    btf        there\nfail  program x  EINVAL: bad insn -> a newer kernel\n')
})

t.test('numbers stand in a table with what they should be', async (t) => {
  const numbers: readonly Finding[] = [
    { check: 'btf', status: 'ok', found: 'longer than any number is', remedy: '' },
    { check: 'a', status: 'ok', found: '3 of 100', should: 'under 80', remedy: '' },
    { check: 'b', status: 'warn', found: '1', should: '0', remedy: 'mend it' },
  ]
  t.equal(
    asText(numbers),
    'ok    btf  longer than any number is\nok    a    3 of 100  should be under 80\nwarn  b    1         should be 0 -> mend it\n',
  )
  t.strictSame(JSON.parse(asJson(numbers)), numbers)
})

t.test('JSON is an array of the findings', async (t) => t.strictSame(JSON.parse(asJson(FINDINGS)), FINDINGS))
