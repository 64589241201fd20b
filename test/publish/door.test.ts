import { Agent, get } from 'node:https'
import { connect as connectBare } from 'node:net'
import { type ConnectionOptions, connect } from 'node:tls'
import t, { type Test } from 'tap'
import { Orb8Error } from '../../src/errors.ts'
import type { WebRules } from '../../src/model.ts'
import type { DoorOptions } from '../../src/publish/door.ts'
import type { ServerOptions } from '../../src/publish/http.ts'
import { Authority } from '../harness/authority.ts'
import { webTls } from '../harness/web-tls.ts'
import { ask, readToEnd, type Served, serve } from './serving.ts'
import { manyFlows } from './snapshots.ts'

const NOTHING: WebRules = { tls: undefined, headers: {}, rateLimit: undefined, users: new Map(), warnings: [] }
const SETTING = '$2b$04$abcdefghijklmnopqrstuu'
const hashOf = (password: string): string => SETTING + password.padEnd(31, '.')
const ALICE = new Map([['alice', hashOf('sesame')]])
const basic = (password: string): Record<string, string> => ({
  Authorization: `Basic ${Buffer.from(`alice:${password}`).toString('base64')}`,
})

interface Doorway {
  readonly server: Served
  rules: WebRules | Error
  readonly said: string[]
}

async function doorway(t: Test, rules: Partial<WebRules>, more: Partial<ServerOptions> = {}): Promise<Doorway> {
  const said: string[] = []
  const door: DoorOptions = {
    rules: () => {
      if (doorway.rules instanceof Error) throw doorway.rules
      return doorway.rules
    },
    crypt: async () => async (password, setting) => setting.slice(0, 29) + password.toString().padEnd(31, '.'),
    tell: { changed: ({ users }) => said.push(`${users.size} users`), refused: (error) => said.push(String(error)) },
  }
  const doorway = { rules: { ...NOTHING, ...rules } as WebRules | Error, said, server: undefined as unknown as Served }
  return Object.assign(doorway, { server: await serve(t, { door, ...more }) })
}

t.test('every path asks for a password, also those of health', async (t) => {
  const { server } = await doorway(t, { users: ALICE })
  for (const path of ['/', '/metrics', '/healthz', '/readyz', '/nothing']) {
    for (const headers of [{}, basic('wrong')]) {
      const { status, headers: got, body } = await ask(server, path, { headers })
      t.equal(status, 401, path)
      t.equal(got['www-authenticate'], 'Basic realm="orb8", charset="UTF-8"')
      t.equal(body.toString(), 'unauthorized\n')
    }
    t.equal((await ask(server, path, { headers: basic('sesame') })).status, path === '/nothing' ? 404 : 200, path)
  }
  t.equal((await ask(server, '/metrics', { method: 'HEAD' })).status, 401)
  t.equal((await ask(server, '/metrics', { method: 'POST' })).status, 401)
})

t.test('headers stand on every answer, and win over the page’s own', async (t) => {
  const headers = { 'X-Frame-Options': 'deny', 'Content-Security-Policy': "default-src 'self'" }
  const { server } = await doorway(t, { headers, users: ALICE })
  for (const [path, status] of [
    ['/', 200],
    ['/nothing', 404],
    ['/metrics', 401],
  ] as const) {
    const answer = await ask(server, path, { headers: status === 401 ? {} : basic('sesame') })
    t.equal(answer.status, status)
    t.match(answer.headers, {
      'x-frame-options': 'deny',
      'content-security-policy': "default-src 'self'",
      'x-content-type-options': 'nosniff',
    })
  }
})

t.test('beyond the rate limit there is 429, before anybody is asked', async (t) => {
  const { server } = await doorway(t, { users: ALICE, rateLimit: { intervalMs: 3_600_000, burst: 3 } })
  const statuses: number[] = []
  for (let i = 0; i < 5; i++) statuses.push((await ask(server, '/healthz', { headers: i === 0 ? basic('wrong') : basic('sesame') })).status)
  t.strictSame(statuses, [401, 200, 200, 429, 429])
})

t.test('rules change while it runs: users, limits, encryption', async (t) => {
  const ca = new Authority(t.testdir())
  const [one, two] = [ca.server('one'), ca.server('two')]
  const way = await doorway(t, {})
  t.equal((await ask(way.server, '/metrics')).status, 200)
  way.rules = { ...NOTHING, users: ALICE }
  t.equal((await ask(way.server, '/metrics')).status, 401)
  way.rules = { ...NOTHING, users: new Map([['alice', hashOf('other')]]) }
  t.equal((await ask(way.server, '/metrics', { headers: basic('sesame') })).status, 401)
  t.equal((await ask(way.server, '/metrics', { headers: basic('other') })).status, 200)
  way.rules = { ...NOTHING, tls: webTls(one) }
  t.equal(await commonName(way.server, ca), 'one')
  way.rules = { ...NOTHING, tls: webTls(two) }
  t.equal(await commonName(way.server, ca), 'two')
  way.rules = NOTHING
  t.equal((await ask(way.server, '/metrics')).status, 200)
})

function commonName({ port }: Served, ca: Authority): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, ca: ca.cert }, () => {
      const { subject } = socket.getPeerCertificate()
      socket.destroy()
      resolve([subject.CN].flat()[0])
    })
    socket.on('error', reject)
  })
}

t.test('a connection from before a new certificate lives to its next request', async (t) => {
  const ca = new Authority(t.testdir())
  const [one, two] = [ca.server('one'), ca.server('two')]
  const way = await doorway(t, { tls: webTls(one) })
  const agent = new Agent({ keepAlive: true, maxSockets: 1, ca: ca.cert })
  t.teardown(() => agent.destroy())
  t.strictSame(await secure(way.server, agent), { status: 200, connection: 'keep-alive' })
  way.rules = { ...NOTHING, tls: webTls(one), headers: { 'X-Frame-Options': 'deny' } }
  t.strictSame(await secure(way.server, agent), { status: 200, connection: 'keep-alive' }, 'the encryption is as before')
  way.rules = { ...NOTHING, tls: webTls(two) }
  t.strictSame(await secure(way.server, agent), { status: 200, connection: 'close' })
  t.strictSame(await secure(way.server, agent), { status: 200, connection: 'keep-alive' })
})

function secure({ port }: Served, agent: Agent, options: ConnectionOptions = {}): Promise<{ status?: number; connection?: string }> {
  return new Promise((resolve, reject) => {
    get({ host: '127.0.0.1', port, path: '/healthz', agent, ...options }, (response) => {
      response.resume()
      response.on('end', () => resolve({ status: response.statusCode ?? 0, connection: response.headers.connection ?? '' }))
    }).on('error', reject)
  })
}

t.test('rules that are wrong are said once, and those before stay in force', async (t) => {
  const way = await doorway(t, { users: ALICE })
  const good = way.rules
  way.rules = new Error('line 3 is wrong')
  for (let i = 0; i < 3; i++) t.equal((await ask(way.server, '/metrics')).status, 401)
  t.equal((await ask(way.server, '/metrics', { headers: basic('sesame') })).status, 200)
  way.rules = new Error('line 4 is wrong')
  await ask(way.server, '/metrics')
  way.rules = { ...(good as WebRules), tls: webTls({ cert: 'x', key: 'x' }) }
  for (let i = 0; i < 2; i++) t.equal((await ask(way.server, '/metrics')).status, 401, 'what cannot be followed is wrong too')
  way.rules = { ...NOTHING }
  t.equal((await ask(way.server, '/metrics')).status, 200)
  t.match(way.said, ['1 users', 'Error: line 3 is wrong', 'Error: line 4 is wrong', /PEM|wrong|no start line/i, '0 users'])
  t.equal(way.said.length, 5)
})

t.test('a start with wrong rules, or without a way to check passwords, is one error', async (t) => {
  const crypt = async (): Promise<never> => {
    throw new Orb8Error('check passwords', 'no crypt', 'install it')
  }
  const rules = (): never => {
    throw new Orb8Error('use web.yml', 'line 3', 'mend it')
  }
  await t.rejects(serve(t, { door: { rules, crypt } }), { message: 'cannot use web.yml: line 3 (mend it)' })
  await t.rejects(serve(t, { door: { rules: () => ({ ...NOTHING, users: ALICE }), crypt } }), { message: /no crypt/ })
  const late = { current: NOTHING }
  const failed: unknown[] = []
  const server = await serve(t, { door: { rules: () => late.current, crypt }, report: (error) => failed.push(error) })
  late.current = { ...NOTHING, users: ALICE }
  const { status, body } = await ask(server, '/metrics', { headers: basic('sesame') })
  t.equal(status, 500)
  t.equal(body.toString(), 'cannot answer: see the log\n')
  t.match(failed, [{ message: /no crypt/ }])
})

t.test('over TLS a page goes in pieces: each download has an encrypted copy of its own', async (t) => {
  const ca = new Authority(t.testdir())
  const { server } = await doorway(t, { tls: webTls(ca.server('one')) }, { scrape: async () => manyFlows(1000) })
  const socket = connect({ host: '127.0.0.1', port: server.port, ca: ca.cert })
  socket.write('GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
  const text = await readToEnd(socket)
  let largest = 0
  let sum = 0
  for (let at = text.indexOf('\r\n\r\n') + 4; at < text.length; ) {
    const end = text.indexOf('\r\n', at)
    const bytes = Number.parseInt(text.slice(at, end), 16)
    largest = Math.max(largest, bytes)
    sum += bytes
    at = end + 2 + bytes + 2
  }
  t.equal(largest, 32 * 1024)
  t.ok(sum > 512 * 1024, `${sum} bytes, more than two pages`)
})

t.test('an encrypted server closes with connections in every state', async (t) => {
  const ca = new Authority(t.testdir())
  const { server } = await doorway(t, { tls: webTls(ca.server('one')) })
  const silent = connectBare({ host: '127.0.0.1', port: server.port })
  const idle = connect({ host: '127.0.0.1', port: server.port, ca: ca.cert })
  for (const socket of [silent, idle]) socket.on('error', () => undefined)
  await Promise.all([
    new Promise((resolve) => silent.once('connect', resolve)),
    new Promise((resolve) => idle.once('secureConnect', resolve)),
  ])
  const ends = Promise.all([readToEnd(silent), readToEnd(idle)])
  await server.close(100)
  t.strictSame(await ends, ['', ''])
})
