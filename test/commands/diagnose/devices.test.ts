import { fileURLToPath } from 'node:url'
import t from 'tap'
import type { Finding } from '../../../src/commands/diagnose/check.ts'
import { Child, within } from '../../harness/child.ts'
import { gpuMachine } from '../../harness/gpu-machine.ts'
import { Undo } from '../../harness/undo.ts'

const CLI = fileURLToPath(new URL('../../../src/cli.ts', import.meta.url))
const NAMES = ['dcgm', 'nvml', 'pod_resources', 'rdma']

t.test('the command tells of every source of devices in a line, and ends though a GPU hangs', async (t) => {
  const undo = new Undo()
  t.teardown(() => undo.all())
  const { driver, env } = await gpuMachine(undo)
  const diagnose = async (more: Readonly<Record<string, string>> = {}) => {
    const child = new Child(undo, process.execPath, [CLI, 'diagnose', '--output=json'], { PATH: process.env.PATH, ...env, ...more })
    const lines: string[] = []
    for (let line = await child.line(); line !== ']'; line = await child.line()) lines.push(line)
    const { code } = await within(child.end(), 'the end')
    const findings: readonly Finding[] = JSON.parse([...lines, ']'].join('\n'))
    return { code, found: findings.filter(({ check }) => NAMES.includes(check)).map(({ check, status, found }) => [check, status, found]) }
  }
  t.match(await diagnose(), {
    code: 0,
    found: [
      ['dcgm', 'ok', /tells of 2 GPUs$/],
      ['nvml', 'ok', 'driver 580.159.04: 2 GPUs, 0 processes'],
      ['pod_resources', 'ok', /1 device in use, nvidia\.com\/gpu 1 of 2$/],
      ['rdma', /ok|warn/, /\S/],
    ],
  })
  driver.change({ '0.hang_ms': 600_000 })
  t.match(await diagnose({ ORB8_DCGM_URL: '' }), {
    code: 0,
    found: [
      ['dcgm', 'ok'],
      ['nvml', 'warn', /1 GPU, .* 1 timeout$/],
    ],
  })
})
