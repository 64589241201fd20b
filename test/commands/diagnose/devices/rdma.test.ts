import { spawnSync } from 'node:child_process'
import { unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { runChecks } from '../../../../src/commands/diagnose/check.ts'
import { rdma } from '../../../../src/commands/diagnose/devices/rdma.ts'
import { until } from '../../../harness/child.ts'

const port = (counters: Record<string, string>) => ({ ports: { '1': { counters, hw_counters: {} } } })
const bytes = () => ({ port_xmit_data: '1\n', port_rcv_data: '2\n' })

t.test('ports are named, some of many', async (t) => {
  t.match(await runChecks([rdma({ root: '/nowhere' })]), [{ check: 'rdma', status: 'ok', found: 'no RDMA device here', remedy: '' }])
  const two = t.testdir({ mlx5_0: port(bytes()), mlx5_1: port(bytes()) })
  t.match(await runChecks([rdma({ root: two })]), [{ status: 'ok', found: '2 ports (mlx5_0/1, mlx5_1/1)' }])
  const ten = t.testdir(Object.fromEntries(Array.from({ length: 10 }, (_, index) => [`mlx5_${index}`, port(bytes())])))
  t.match(await runChecks([rdma({ root: ten })]), [{ found: /^10 ports \(mlx5_0\/1, .*mlx5_7\/1, \.\.\.\)$/ }])
})

t.test('a port that counts no bytes is a warning', async (t) => {
  const root = t.testdir({ mlx5_0: port(bytes()), other0: port({ port_xmit_data: 'N/A (no PMA)\n' }) })
  t.match(await runChecks([rdma({ root })]), [
    { status: 'warn', found: '2 ports (mlx5_0/1, other0/1), 1 of them without bytes', remedy: /sysfs/ },
  ])
})

t.test('a device that does not answer is a warning, and told to hang until it does', async (t) => {
  const root = t.testdir({ mlx5_0: port({}) })
  const pipe = join(root, 'mlx5_0', 'ports', '1', 'counters', 'port_xmit_data')
  spawnSync('mkfifo', [pipe])
  const check = rdma({ root, limitMs: 100 })
  t.match(await runChecks([check]), [{ status: 'warn', found: /no end within 100 ms/, remedy: /dmesg/ }])
  t.equal(check.hangs, true)
  writeFileSync(pipe, '5\n')
  unlinkSync(pipe)
  await until('it to end', () => check.hangs === false)
})
