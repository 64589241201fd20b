import { symlinkSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { pidNamespace } from '../../../src/commands/diagnose/pid-namespace.ts'

t.test("only the host's PID namespace shows every process", async (t) => {
  const dir = t.testdir()
  symlinkSync('pid:[4026531836]', join(dir, 'first'))
  symlinkSync('pid:[4026532301]', join(dir, 'other'))
  t.match(await pidNamespace(join(dir, 'first')).run(), [{ status: 'ok', remedy: '' }])
  t.match(await pidNamespace(join(dir, 'other')).run(), [{ status: 'warn', found: /4026532301/, remedy: /hostPID/ }])
})
