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

t.test('JSON is an array of the findings', async (t) => t.strictSame(JSON.parse(asJson(FINDINGS)), FINDINGS))
