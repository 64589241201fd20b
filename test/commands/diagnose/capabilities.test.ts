import { symlinkSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { capabilities } from '../../../src/commands/diagnose/capabilities.ts'

const NET_ADMIN = 1n << 12n
const SYS_ADMIN = 1n << 21n
const PERFMON = 1n << 38n
const BPF = 1n << 39n
const FIRST = 'user:[4026531837]'
const OTHER = 'user:[4026532200]'

const CASES = [
  { name: 'the three are enough', held: BPF | PERFMON | NET_ADMIN, namespace: FIRST, expected: ['ok', 'ok', 'ok'] },
  { name: 'each is missed by its own name', held: PERFMON, namespace: FIRST, expected: ['fail', 'ok', 'fail'] },
  { name: 'none', held: 0n, namespace: FIRST, expected: ['fail', 'fail', 'fail'] },
  {
    name: 'CAP_SYS_ADMIN stands for them, on older kernels not for NET_ADMIN',
    held: SYS_ADMIN,
    namespace: FIRST,
    expected: ['ok', 'ok', 'warn'],
  },
  {
    name: 'in a user namespace of its own none counts',
    held: BPF | PERFMON | NET_ADMIN,
    namespace: OTHER,
    expected: ['fail', 'fail', 'fail'],
  },
]

for (const { name, held, namespace, expected } of CASES) {
  t.test(name, async (t) => {
    const effective = held.toString(16).padStart(16, '0')
    const dir = t.testdir({ status: `Name:\tnode\nCapPrm:\t000001ffffffffff\nCapEff:\t${effective}\nCapBnd:\t000001ffffffffff\n` })
    symlinkSync(namespace, join(dir, 'user'))
    const findings = await capabilities({ status: join(dir, 'status'), userNamespace: join(dir, 'user') }).run()
    t.strictSame(
      findings.map(({ check }) => check),
      ['CAP_BPF', 'CAP_PERFMON', 'CAP_NET_ADMIN'],
    )
    t.strictSame(
      findings.map(({ status }) => status),
      expected,
    )
    for (const { status, remedy } of findings) t.equal(remedy === '', status === 'ok')
  })
}

t.test('with what is pinned for it a process needs none', async (t) => {
  const dir = t.testdir({ status: 'CapEff:\t0000000000000000\n' })
  symlinkSync(FIRST, join(dir, 'user'))
  const options = { status: join(dir, 'status'), userNamespace: join(dir, 'user') }
  const spared = await capabilities({ ...options, pinned: async () => ({ programs: ['a'], refused: [] }) }).run()
  for (const { status, found, remedy } of spared) t.same([status, found, remedy], ['ok', 'not held, nor needed with what is pinned', ''])
  for (const { status, remedy } of await capabilities({ ...options, pinned: async () => undefined }).run()) {
    t.equal(status, 'fail')
    t.match(remedy, /^for .*: run as root, or add/)
  }
})
