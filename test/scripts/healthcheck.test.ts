import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { target } from '../../scripts/healthcheck.ts'

const SCRIPT = join(import.meta.dirname, '..', '..', 'scripts', 'healthcheck.ts')

t.test('it asks the first address, and localhost where that means every one', (t) => {
  t.same(target(':9091'), { host: 'localhost', port: 9091 })
  t.same(target('0.0.0.0:1'), { host: 'localhost', port: 1 })
  t.same(target('[::]:1'), { host: 'localhost', port: 1 })
  t.same(target('[2001:db8::1]:80,:9091'), { host: '2001:db8::1', port: 80 })
  t.same(target('unix:/run/orb8/http.sock,:9091'), { path: '/run/orb8/http.sock' })
  t.end()
})

async function check(env: Record<string, string>): Promise<{ readonly code: number; readonly said: string }> {
  const child = spawn(process.execPath, [SCRIPT], { env, stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text
  })
  const [code] = await once(child, 'close')
  return { code, said: said.trim() }
}

t.test('it ends with what /healthz says', async (t) => {
  let status = 200
  const asked: (string | undefined)[] = []
  const server = createServer((request, response) => {
    asked.push(request.url)
    response.writeHead(status).end(status === 200 ? 'ok' : 'collecting failed')
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const env = { ORB8_LISTEN: `127.0.0.1:${(server.address() as AddressInfo).port}` }
  t.same(await check(env), { code: 0, said: '' })
  status = 503
  t.same(await check(env), { code: 1, said: 'collecting failed' })
  t.same(
    await check({ ...env, ORB8_WEB_CONFIG_FILE: '/etc/web.yml' }),
    { code: 0, said: '' },
    'with TLS or a password only whether somebody listens',
  )
  t.same(asked, ['/healthz', '/healthz'])
  const closed = await check({ ORB8_LISTEN: '127.0.0.1:1' })
  t.equal(closed.code, 1)
  t.match(closed.said, /ECONNREFUSED/)
})

t.test('it asks by a socket where the exporter listens on one, and knows when nobody does', async (t) => {
  // Short: the path of a socket has 107 letters.
  const folder = mkdtempSync(join(tmpdir(), 'orb8-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const path = join(folder, 'http.sock')
  const asked: (string | undefined)[] = []
  const server = createServer((request, response) => {
    asked.push(request.url)
    response.writeHead(200).end()
  }).listen(path)
  await once(server, 'listening')
  const env = { ORB8_LISTEN: `unix:${path},127.0.0.1:1` }
  t.same(await check(env), { code: 0, said: '' })
  t.same(await check({ ...env, ORB8_WEB_CONFIG_FILE: '/etc/web.yml' }), { code: 0, said: '' })
  t.same(asked, ['/healthz'])
  server.close()
  await once(server, 'close')
  for (const more of [{}, { ORB8_WEB_CONFIG_FILE: '/etc/web.yml' }]) t.match(await check({ ...env, ...more }), { code: 1, said: /ENOENT/ })
})
