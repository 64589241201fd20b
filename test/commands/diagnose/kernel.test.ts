import { join } from 'node:path'
import t from 'tap'
import { btf, kernelVersion, lockdown } from '../../../src/commands/diagnose/kernel.ts'

t.test('Linux 5.15 and newer will do', async (t) => {
  for (const release of ['5.15.0-91-generic', '6.1.0', '6.18.44', '10.0'])
    t.match(await kernelVersion(release).run(), [{ status: 'ok', remedy: '' }], release)
  for (const release of ['5.14.0-503.el9', '4.19.0', '5.4.0', 'odd'])
    t.match(await kernelVersion(release).run(), [{ status: 'fail', found: `Linux ${release}`, remedy: /5\.15/ }], release)
})

t.test('a missing or empty BTF is a failure that says what to do', async (t) => {
  const dir = t.testdir({ empty: '', full: 'btf' })
  t.match(await btf(join(dir, 'full')).run(), [{ check: 'btf', status: 'ok' }])
  t.match(await btf(join(dir, 'empty')).run(), [{ status: 'fail', found: /empty/, remedy: /CONFIG_DEBUG_INFO_BTF/ }])
  t.match(await btf(join(dir, 'none')).run(), [{ status: 'fail', found: /ENOENT/, remedy: /CONFIG_DEBUG_INFO_BTF/ }])
})

t.test('a lockdown is reported, never held against the host', async (t) => {
  const dir = t.testdir({ lockdown: 'none integrity [confidentiality]\n', unprivileged: '2\n' })
  const found = 'lockdown confidentiality, kernel.unprivileged_bpf_disabled 2'
  t.match(await lockdown(join(dir, 'lockdown'), join(dir, 'unprivileged')).run(), [{ status: 'ok', found }])
  t.match(await lockdown(join(dir, 'none'), join(dir, 'none')).run(), [{ status: 'ok', found: /not told/ }])
})
