import t from 'tap'
import { type Finding, runChecks } from '../../../src/commands/diagnose/check.ts'
import { Orb8Error } from '../../../src/errors.ts'

const fine: Finding = { check: 'a', status: 'ok', found: 'x', remedy: '' }
const failing = (name: string, error: unknown) => ({ name, run: () => Promise.reject(error) })

t.test('findings come in the order of the checks, also behind one that throws', async (t) => {
  const findings = await runChecks([
    { name: 'a', run: async () => [fine, fine] },
    failing('b', new Orb8Error('open it', 'ENOENT', 'make it')),
    failing('c', new TypeError('odd')),
    { name: 'd', run: async () => [fine] },
  ])
  t.strictSame(findings, [
    fine,
    fine,
    { check: 'b', status: 'fail', found: 'cannot open it: ENOENT', remedy: 'make it' },
    { check: 'c', status: 'fail', found: 'odd', remedy: '' },
    fine,
  ])
})

t.test('a check that never answers is a finding', async (t) => {
  const findings = await runChecks(
    [
      { name: 'stuck', run: () => new Promise(() => {}) },
      { name: 'a', run: async () => [fine] },
    ],
    20,
  )
  t.match(findings, [{ check: 'stuck', status: 'fail', found: 'no answer within 0.02 s' }, fine])
})
