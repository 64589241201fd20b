import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import type { Finding } from '../../src/commands/diagnose/check.ts'
import { onSite } from '../harness/site.ts'

const CLI = fileURLToPath(new URL('../../src/cli.ts', import.meta.url))

/** Runs the real command behind `prefix`, which may take rights away from it. */
async function diagnose(prefix: readonly string[], ...argv: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const [command = '', ...rest] = [...prefix, process.execPath, CLI, 'diagnose', ...argv]
  const child = spawn(command, rest, { stdio: ['ignore', 'pipe', 'pipe'], env: { PATH: process.env.PATH }, timeout: 60_000 })
  const [stdout, stderr, [code]] = await Promise.all([
    child.stdout.setEncoding('utf8').toArray(),
    child.stderr.setEncoding('utf8').toArray(),
    once(child, 'close'),
  ])
  return { code, stdout: stdout.join(''), stderr: stderr.join('') }
}

t.test('on a host that will do, everything is checked and nothing fails', async (t) => {
  const { code, stdout, stderr } = await diagnose([], '--output=json')
  const findings: readonly Finding[] = JSON.parse(stdout)
  t.equal(stderr, '')
  t.strictSame(
    findings.filter(({ status }) => status === 'fail'),
    [],
  )
  t.equal(code, 0)
  const names = findings.map(({ check }) => check)
  for (const name of [
    'settings',
    'kernel',
    'btf',
    'lockdown',
    'CAP_BPF',
    'CAP_PERFMON',
    'CAP_NET_ADMIN',
    'cgroup',
    'bpffs',
    'pin_path',
    'pid_namespace',
    'libbpf',
    'kubernetes',
    'pod_cgroups',
    'pod_logs',
    'exporter',
  ])
    t.equal(names.filter((one) => one === name).length, 1, name)
  t.ok(names.filter((name) => name.startsWith('program ')).length > 1)
})

t.test('text has a line for each finding', async (t) => {
  const { code, stdout } = await diagnose([])
  t.equal(code, 0)
  for (const line of stdout.trimEnd().split('\n')) t.match(line, /^(ok {2}|warn|fail) {2}\S/)
})

t.test('without CAP_BPF it is missed by name, no program loads, and the end is 1', async (t) => {
  const { code, stdout } = await diagnose(['setpriv', '--bounding-set=-bpf,-sys_admin', '--inh-caps=-bpf,-sys_admin'], '--output=json')
  const findings: readonly Finding[] = JSON.parse(stdout)
  const status = (name: string) => findings.find(({ check }) => check === name)?.status
  t.equal(code, 1)
  t.strictSame(['CAP_BPF', 'CAP_PERFMON', 'CAP_NET_ADMIN', 'libbpf'].map(status), ['fail', 'ok', 'ok', 'ok'])
  for (const { check, status: found, remedy } of findings.filter(({ check }) => check.startsWith('program')))
    t.strictSame([found, remedy.includes('CAP_BPF')], ['fail', true], check)
})

t.test('in a PID namespace of its own it warns', async (t) => {
  const { stdout } = await diagnose(['unshare', '--pid', '--fork', '--mount-proc'], '--output=json')
  t.match(
    JSON.parse(stdout).find(({ check }: Finding) => check === 'pid_namespace'),
    { status: 'warn' },
  )
})

t.test('a cgroup root that is none fails', async (t) => {
  const { code, stdout } = await diagnose([], '--output=json', '--cgroup-root=/proc')
  t.match(
    JSON.parse(stdout).filter(({ status }: Finding) => status === 'fail'),
    [{ check: 'cgroup', found: /\/proc/ }],
  )
  t.equal(code, 1)
})

t.test(
  'beside a running exporter its own numbers follow, each with what it should be, and are fine',
  onSite(async (t, site) => {
    const exporter = await site.exporter()
    const { code, stdout } = await diagnose([], '--output=json', `--listen=127.0.0.1:${exporter.port}`)
    const findings: readonly Finding[] = JSON.parse(stdout)
    const own = findings.filter(({ check }) => check.startsWith('exporter'))
    t.equal(code, 0)
    t.match(own[0], { check: 'exporter', status: 'ok', found: new RegExp(`runs at 127\\.0\\.0\\.1:${exporter.port}, up`) })
    for (const name of [
      '/readyz',
      'programs',
      'map flows',
      'sockets',
      'series',
      'collection flows',
      'event loop',
      'memory',
      'program time',
    ]) {
      const row = own.find(({ check }) => check === `exporter ${name}`)
      t.match(row, { found: /\S/, should: /\S/ }, name)
    }
    // Times and series depend on what else this machine does.
    const lost = own.filter(({ check, status }) => status !== 'ok' && !/collection|event loop|cpu|program time|series/.test(check))
    t.strictSame(lost, [])
  }),
)
