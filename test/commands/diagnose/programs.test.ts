import t from 'tap'
import { runChecks } from '../../../src/commands/diagnose/check.ts'
import { libbpf, programs } from '../../../src/commands/diagnose/programs.ts'
import { KernelError } from '../../../src/errors.ts'

t.test('libbpf 1.1 and newer will do', async (t) => {
  for (const version of ['1.1', '1.5.0', '2.0']) t.match(await libbpf(() => version).run(), [{ status: 'ok', found: `version ${version}` }])
  for (const version of ['0.8', '1.0.1']) t.match(await libbpf(() => version).run(), [{ status: 'fail', remedy: /1\.1 or newer/ }])
})

t.test('a libbpf that is not there is a finding with its remedy', async (t) => {
  const missing = libbpf(() => {
    throw new KernelError('load libbpf.so.1', 'ENOENT', 'install it')
  })
  t.strictSame(await runChecks([missing]), [
    { check: 'libbpf', status: 'fail', found: 'cannot load libbpf.so.1: ENOENT', remedy: 'install it' },
  ])
})

t.test('each program is a finding of its own', async (t) => {
  const probe = async () => [
    { program: 'a', ok: true, reason: '', remedy: '' },
    { program: 'b', ok: false, reason: 'EINVAL: unknown func', remedy: 'a newer kernel' },
  ]
  t.strictSame(await programs({ probe }).run(), [
    { check: 'program a', status: 'ok', found: 'loads', remedy: '' },
    { check: 'program b', status: 'fail', found: 'EINVAL: unknown func', remedy: 'a newer kernel' },
  ])
})

t.test('who may not load is told how the loading of what is pinned for him went', async (t) => {
  const probe = async () => [{ program: 'a', ok: false, reason: 'EPERM', remedy: 'needs CAP_BPF' }]
  const about = { programs: ['a', 'b'], refused: [{ program: 'b', reason: 'attach: EPERM', remedy: 'needs CAP_NET_ADMIN' }] }
  const pinned = async () => about
  t.strictSame(await programs({ probe, pinned, mayLoad: () => false }).run(), [
    { check: 'program a', status: 'ok', found: 'pinned, and runs', remedy: '' },
    { check: 'program b', status: 'fail', found: 'attach: EPERM', remedy: 'needs CAP_NET_ADMIN' },
  ])
  t.match(await programs({ probe, pinned, mayLoad: () => true }).run(), [{ check: 'program a', found: 'EPERM' }])
  t.match(await programs({ probe, pinned: async () => undefined, mayLoad: () => false }).run(), [{ check: 'program a', found: 'EPERM' }])
})
