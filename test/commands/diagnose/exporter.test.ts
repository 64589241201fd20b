import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { Address, Port } from '../../../src/commands/diagnose/ask.ts'
import { exporter } from '../../../src/commands/diagnose/exporter.ts'
import { http, nobody, tcp } from './listening.ts'
import { page, SIZES } from './page.ts'

const look = (...listen: readonly Address[]) => exporter({ listen, sizes: SIZES }).run()

interface Paths {
  readonly '/readyz'?: readonly [number, string]
  readonly '/healthz'?: readonly [number, string]
  readonly '/metrics'?: readonly [number, string] | (() => readonly [number, string])
}

const metrics = (changes?: Readonly<Record<string, number>>): readonly [number, string] => [200, `${page(changes).join('\n')}\n`]

function running(t: Test, paths: Paths = {}): Promise<Port> {
  const all: Paths = { '/readyz': [200, 'ok\n'], '/healthz': [200, 'ok\n'], '/metrics': metrics(), ...paths }
  return http(t, ({ url }, response) => {
    const answer = all[url as keyof Paths] ?? [404, '']
    const [status, body] = typeof answer === 'function' ? answer() : answer
    response.writeHead(status)
    response.end(body)
  })
}

t.test('one that is well is introduced, and every number is fine', async (t) => {
  const address = await running(t)
  const findings = await look(address)
  t.strictSame(
    findings.filter(({ status }) => status !== 'ok'),
    [],
  )
  t.match(findings[0], { check: 'exporter', found: new RegExp(`^version 1\\.2\\.3 runs at 127\\.0\\.0\\.1:${address.port}, up `) })
  const checks = findings.map(({ check }) => check)
  for (const check of ['exporter /readyz', 'exporter /healthz', 'exporter map flows', 'exporter memory'])
    t.ok(checks.includes(check), check)
  t.equal(new Set(checks).size, checks.length, 'no two rows have one name')
})

t.test('lines of traffic are never taken for its own numbers', async (t) => {
  const traffic = 'orb8_flow_bytes_total{workload="a"} 1\norb8_tcp_connections_opened_total{workload="a"} 1\n'
  const address = await running(t, { '/metrics': [200, `${traffic.repeat(20_000)}${metrics()[1]}`] })
  t.match(await look(address), [{ check: 'exporter', found: /^version 1\.2\.3/ }])
})

t.test('one that is not ready or not healthy is told in its own words', async (t) => {
  const findings = await look(
    await running(t, { '/readyz': [503, 'the first collection is not done\n'], '/healthz': [503, 'stands still\n'] }),
  )
  t.strictSame(
    findings.filter(({ status }) => status === 'warn').map(({ check, found }) => [check, found]),
    [
      ['exporter /readyz', '503: the first collection is not done'],
      ['exporter /healthz', '503: stands still'],
    ],
  )
})

t.test('one that cannot be scraped is a warning', async (t) => {
  t.match(await look(await running(t, { '/metrics': [503, 'too slow\n'] })), [
    { check: 'exporter /readyz', status: 'ok' },
    { check: 'exporter /healthz', status: 'ok' },
    { check: 'exporter', status: 'warn', found: '/metrics answers 503: too slow' },
  ])
})

t.test('where the kernel counts runs it looks twice', async (t) => {
  let scrapes = 0
  const counted = (): readonly [number, string] =>
    metrics({
      'orb8_bpf_program_runs_total{program="orb8_egress"}': ++scrapes * 1000,
      'orb8_bpf_program_run_seconds_total{program="orb8_egress"}': scrapes * 1e-3,
    })
  const findings = await look(await running(t, { '/metrics': counted }))
  t.equal(scrapes, 2)
  t.match(
    findings.find(({ check }) => check === 'exporter program time'),
    { status: 'ok', found: /^0\.1 % of one CPU, \d{3} runs a second, 1,000 ns each$/ },
  )
})

t.test('that none runs is fine', async (t) => {
  const address = await nobody()
  t.strictSame(await look(address), [{ check: 'exporter', status: 'ok', found: `none answers at 127.0.0.1:${address.port}`, remedy: '' }])
  t.match(await look({ path: '/nowhere/orb8.sock' }), [{ status: 'ok', found: 'none answers at unix:/nowhere/orb8.sock' }])
  t.match(await look({ host: '', port: 0 }), [{ status: 'ok', found: /port 0/ }])
})

t.test('of several it asks the first that has a place', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'orb8-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const path = join(folder, 'http.sock')
  const server = createServer((_request, response) => response.end('go_goroutines 8\n')).listen({ path })
  t.teardown(() => server.close())
  await once(server, 'listening')
  t.match(await look({ host: '', port: 0 }, { path }, await nobody()), [
    { status: 'warn', found: `something else answers at unix:${path}` },
  ])
})

t.test('something else on its port is a warning', async (t) => {
  const address = await http(t, (_request, response) => response.end('go_goroutines 8\n'))
  t.match(await look(address), [{ status: 'warn', found: /^something else answers/, remedy: /ORB8_LISTEN/ }])
})

t.test('behind TLS or a password it says that it could not look', async (t) => {
  t.match(await look(await tcp(t, '\x15\x03\x03\x00\x02\x02\x46')), [{ status: 'ok', found: /TLS\?\): could not look/ }])
  t.match(await look(await tcp(t, '')), [{ status: 'ok', found: /TLS\?\): could not look/ }])
  t.match(await look(await running(t, { '/readyz': [401, 'Unauthorized\n'] })), [{ status: 'ok', found: /password .*could not look/ }])
})
