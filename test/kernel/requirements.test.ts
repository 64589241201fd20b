import t from 'tap'
import { isKernelSupported, missingCapabilities, missingRequirements, remedyForPins } from '../../src/kernel/requirements.ts'

const status = (effective: bigint): string =>
  `Name:\tnode\nCapInh:\t0000000000000000\nCapEff:\t${effective.toString(16).padStart(16, '0')}\n`
const NET_ADMIN = 1n << 12n
const SYS_ADMIN = 1n << 21n
const PERFMON = 1n << 38n
const BPF = 1n << 39n

t.test('capabilities that are missing are told by name', async (t) => {
  t.same(missingCapabilities(status(0n)), ['CAP_NET_ADMIN', 'CAP_PERFMON', 'CAP_BPF'])
  t.same(missingCapabilities(status(BPF | PERFMON | NET_ADMIN)), [])
  t.same(missingCapabilities(status(PERFMON | NET_ADMIN)), ['CAP_BPF'])
  t.same(missingCapabilities(status(SYS_ADMIN | NET_ADMIN)), [], 'CAP_SYS_ADMIN stands for BPF and PERFMON')
  t.same(missingCapabilities(status(SYS_ADMIN)), ['CAP_NET_ADMIN'], 'but not for NET_ADMIN')
})

t.test('the kernel floor is 5.15', async (t) => {
  for (const release of ['5.15.0', '5.15.0-91-generic', '6.1.0-28-amd64', '6.18.44', '10.0.1']) t.ok(isKernelSupported(release), release)
  for (const release of ['5.14.0-427.el9.x86_64', '5.10.0-30-amd64', '4.18.0', '']) t.notOk(isKernelSupported(release), release)
})

t.test('a kernel without BTF is told with the path that was looked at', async (t) => {
  t.match(missingRequirements('/nowhere/vmlinux').join(), '/nowhere/vmlinux')
  t.same(missingRequirements(), [], 'this machine has everything: the tests run as root')
})

t.test('why bpf() refuses what is pinned: an old kernel, a seccomp profile or another module', async (t) => {
  const told = (version: string, effective: bigint, bounding: bigint, seccomp: number): string =>
    remedyForPins('EPERM', { version, status: `${status(effective)}CapBnd:\t${bounding.toString(16)}\nSeccomp:\t${seccomp}\n` })
  t.match(told('5.18.19', 0n, BPF, 2), /^needs CAP_BPF in force on Linux before 5\.19 \(this is 5\.18\.19\)$/)
  t.match(told('5.15.0', BPF, BPF, 2), /^a seccomp profile denies bpf\(\)$/)
  t.match(told('5.19.0', 0n, BPF, 2), /^a seccomp profile denies bpf\(\)$/)
  t.match(told('6.1.0', 0n, 0n, 2), /^a seccomp profile .*CAP_BPF is in the bounding set \(drop ALL, add BPF\)$/)
  t.equal(told('6.1.0', 0n, 0n, 0), 'a security module denies bpf()')
  t.equal(remedyForPins('ENOMEM', { version: '6.1.0', status: '' }), '')
})
