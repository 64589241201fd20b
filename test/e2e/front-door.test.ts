// The built exporter behind TLS, client certificates and passwords, asked by curl and by Debian's Prometheus.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { Authority } from '../harness/authority.ts'
import { until } from '../harness/child.ts'
import { type Exporter, runToTheEnd } from '../harness/exporter.ts'
import { has } from '../harness/namespaces.ts'
import { Prometheus } from '../harness/prometheus.ts'
import { onSite, type Site } from '../harness/site.ts'

const PASSWORD = 'correct horse'
const HASH = '$2a$10$zyxwvutsrqponmlkjihgfeuaBNgECvMzIh3Z01odV4WoKJrs/zJSy'
const AUTHORIZATION = `Basic ${Buffer.from(`prometheus:${PASSWORD}`).toString('base64')}`

/** Short, for the path of a unix socket. */
function folderOf(site: Site): string {
  const folder = mkdtempSync(join(tmpdir(), 'orb8-'))
  const remove = (): void => rmSync(folder, { recursive: true, force: true })
  site.undo.add({ gently: remove, atOnce: remove })
  return folder
}

interface Curled {
  /** 0, or why curl could not. */
  readonly exit: number | null
  readonly status: number
  readonly body: string
}

function curl(...args: readonly string[]): Curled {
  const { status: exit, stdout } = spawnSync('curl', ['--noproxy', '*', '-s', '-m', '20', '-w', '\n%{http_code}', ...args], {
    encoding: 'utf8',
  })
  const [, body = '', status = '0'] = /^([\s\S]*)\n(\d+)$/.exec(stdout) ?? []
  return { exit, status: Number(status), body }
}

/** Nothing that is secret may be in what anybody reads. */
const SECRETS = [PASSWORD, HASH, HASH.slice(29), AUTHORIZATION, AUTHORIZATION.slice(6), 'PRIVATE KEY', 'hunter2']
const leaksIn = (texts: readonly string[]): readonly string[] => SECRETS.filter((secret) => texts.some((text) => text.includes(secret)))

const tlsSection = (more: object = {}): object => ({ cert_file: 'server.crt', key_file: 'server.key', ...more })

t.test(
  'TLS, client certificates and passwords keep out whom they should, for curl and for Prometheus',
  { skip: has('prometheus') ? false : 'no prometheus' },
  onSite(async (t, site) => {
    const folder = folderOf(site)
    const ca = new Authority(folder)
    ca.server('server')
    const [known, other] = [ca.client('known', ['DNS:prometheus.example.org']), ca.client('other', ['DNS:other.example.org'])]
    const webFile = join(folder, 'web.yml')
    const mutual = {
      client_auth_type: 'RequireAndVerifyClientCert',
      client_ca_file: 'ca.crt',
      client_allowed_sans: ['prometheus.example.org'],
    }
    // JSON is YAML.
    writeFileSync(webFile, JSON.stringify({ tls_server_config: tlsSection(mutual), basic_auth_users: { prometheus: HASH } }))
    const exporter = await site.exporter({
      args: ['--web-config-file', webFile],
      visitor: { tls: { ca: ca.cert, cert: known.cert, key: known.key }, headers: { authorization: AUTHORIZATION } },
    })
    const url = `https://127.0.0.1:${exporter.port}`
    const trust = ['--cacert', ca.certFile]
    const own = ['--cert', known.certFile, '--key', known.keyFile]
    const password = ['-u', `prometheus:${PASSWORD}`]
    const good = curl(...trust, ...own, ...password, `${url}/metrics`)
    t.match(good, { exit: 0, status: 200, body: /orb8_build_info\{/ })
    t.equal(curl(...trust, ...own, ...password, '--http2', '--tls-max', '1.2', `${url}/healthz`).status, 200)
    t.match(curl(...trust, ...own, `${url}/metrics`), { exit: 0, status: 401 })
    t.match(curl(...trust, ...own, '-u', 'prometheus:hunter2', `${url}/`), { exit: 0, status: 401 })
    t.match(curl(...trust, ...own, '-u', `nobody:${PASSWORD}`, `${url}/metrics`), { exit: 0, status: 401 })
    for (const [name, args] of Object.entries({
      'no certificate': [...trust, ...password],
      'another name': [...trust, ...password, '--cert', other.certFile, '--key', other.keyFile],
      'an old version': [...trust, ...password, ...own, '--tls-max', '1.1'],
      'a server nobody vouches for': [...password, ...own],
    }))
      t.match(curl(...args, `${url}/metrics`), { status: 0, body: '' }, name)
    t.not(curl(...password, `http://127.0.0.1:${exporter.port}/metrics`).status, 200, 'unencrypted')

    const tls = { ca_file: ca.certFile, cert_file: known.certFile, key_file: known.keyFile }
    const basic = { username: 'prometheus', password: PASSWORD }
    const scheme = { scheme: 'https', scrape_timeout: '500ms' }
    const settings = {
      all: { ...scheme, tls_config: tls, basic_auth: basic },
      passwordless: { ...scheme, tls_config: tls },
      certless: { ...scheme, tls_config: { ca_file: ca.certFile }, basic_auth: basic },
      plain: { basic_auth: basic },
    }
    const targets = Object.fromEntries(Object.keys(settings).map((job) => [job, exporter.port]))
    const prometheus = await Prometheus.start(site.undo, targets, { scrape: settings })
    await until('all targets to be looked at', async () => {
      const found = Object.values(await prometheus.targets())
      return found.length === Object.keys(settings).length && found.every(({ health }) => health !== 'unknown')
    })
    t.match(await prometheus.targets(), {
      all: { health: 'up', lastError: '' },
      passwordless: { health: 'down', lastError: /401/ },
      certless: { health: 'down', lastError: /certificate required|bad certificate|connection reset|EOF/ },
      plain: { health: 'down' },
    })
    t.same(await prometheus.query('count by (job) (orb8_build_info)', 'job'), { all: 1 })
    t.same(leaksIn([...exporter.log, good.body, (await exporter.get('/')).body]), [])
  }),
)

t.test(
  'certificates, users and what is wrong with them are followed while it runs',
  onSite(async (t, site) => {
    const folder = folderOf(site)
    const ca = new Authority(folder)
    const webFile = join(folder, 'web.yml')
    const write = (web: object): void => writeFileSync(webFile, JSON.stringify(web))
    const [first, second] = [ca.server('server'), ca.server('renewed')]
    write({ tls_server_config: tlsSection() })
    const exporter = await site.exporter({ args: ['--web-config-file', webFile], visitor: { tls: { ca: ca.cert } } })
    const url = `https://127.0.0.1:${exporter.port}/healthz`
    const ask = (...args: string[]): Curled => curl('--cacert', ca.certFile, ...args, url)
    const subject = (): string =>
      /subject: CN ?= ?(\S+)/.exec(
        spawnSync('curl', ['--noproxy', '*', '-sv', '--cacert', ca.certFile, url], { encoding: 'utf8' }).stderr,
      )?.[1] ?? ''
    t.equal(subject(), 'server')
    writeFileSync(first.certFile, second.cert)
    t.equal(subject(), 'server', 'a certificate without its key changes nothing')
    writeFileSync(first.keyFile, second.key)
    t.equal(subject(), 'renewed')

    write({ tls_server_config: tlsSection(), basic_auth_users: { prometheus: HASH } })
    t.equal(ask().status, 401)
    t.equal(ask('-u', `prometheus:${PASSWORD}`).status, 200)
    write({ tls_server_config: tlsSection(), basic_auth_users: { prometheus: 'hunter2' } })
    t.equal(ask().status, 401)
    t.equal(ask('-u', 'prometheus:hunter2').status, 401)
    t.equal(ask('-u', `prometheus:${PASSWORD}`).status, 200)
    write({ tls_server_config: tlsSection() })
    t.equal(ask().status, 200)
    const events = () =>
      exporter.log.map((line) => JSON.parse(line) as { msg: string; tls?: boolean; users?: number; err?: { message: string } })
    const inForce = () => events().filter(({ msg }) => msg === 'the web configuration is in force')
    // curl held this end's loop: what the log says comes only now.
    await until('the log', () => inForce().length >= 4)
    t.match(inForce(), [
      { tls: true, users: 0 },
      { tls: true, users: 0 },
      { tls: true, users: 1 },
      { tls: true, users: 0 },
    ])
    const wrong = events().filter(({ msg }) => msg.startsWith('the web configuration is wrong'))
    t.match(wrong, [{ err: { message: /key_file .* does not belong/ } }, { err: { message: /basic_auth_users \(line 1\)/ } }])
    t.equal(wrong.length, 2, 'each once')
    t.same(leaksIn(exporter.log), [])
  }),
)

t.test(
  'wrong passwords without end take nothing from who has the right one',
  onSite(async (t, site) => {
    const folder = folderOf(site)
    const webFile = join(folder, 'web.yml')
    writeFileSync(webFile, `basic_auth_users: {prometheus: "${HASH}"}\n`)
    const exporter = await site.exporter({ args: ['--web-config-file', webFile], visitor: { headers: { authorization: AUTHORIZATION } } })
    const statuses: number[] = []
    let flooding = true
    const flood = Array.from({ length: 50 }, async (_, visitor) => {
      for (let i = 0; flooding; i++) statuses.push(await guess(exporter, `guess ${visitor} ${i}`))
    })
    for (let i = 0; i < 5; i++) t.equal((await exporter.get('/metrics')).status, 200)
    flooding = false
    await Promise.all(flood)
    t.same([...new Set(statuses)].sort(), [401, 503])
    t.same(leaksIn(exporter.log), [])
  }),
)

async function guess(exporter: Exporter, password: string): Promise<number> {
  const authorization = `Basic ${Buffer.from(`prometheus:${password}`).toString('base64')}`
  return (await exporter.get('/metrics', { authorization })).status
}

t.test(
  'several addresses, a unix socket among them, serve the same, and the socket goes with the exporter',
  onSite(async (t, site) => {
    const path = join(folderOf(site), 'http.sock')
    const exporter = await site.exporter({ args: ['--listen', `127.0.0.1:0,unix:${path},[::1]:0`] })
    const addresses = exporter.log.flatMap((line) => {
      const { msg, address } = JSON.parse(line) as { msg: string; address: string }
      return msg === 'listening' ? [address] : []
    })
    t.match(addresses, [/^127\.0\.0\.1:\d+$/, `unix:${path}`, /^\[::1\]:\d+$/])
    t.equal(curl(`http://${addresses[0]}/readyz`).status, 200)
    t.equal(curl('-g', `http://${addresses[2]}/readyz`).status, 200)
    t.match(curl('--unix-socket', path, 'http://localhost/metrics'), { status: 200, body: /orb8_build_info\{/ })
    const second = await runToTheEnd(site.undo, { args: ['--listen', `127.0.0.1:0,unix:${path}`] })
    t.equal(second.code, 1)
    t.match(second.stderr.at(-1), /cannot listen on unix:.*EADDRINUSE/)
    t.equal(curl('--unix-socket', path, 'http://localhost/readyz').status, 200, 'the first goes on')
    await exporter.stop()
    t.notOk(existsSync(path))
  }),
)

t.test(
  'a web configuration that cannot be used ends the start with one line and exit code 2',
  onSite(async (t, site) => {
    const folder = folderOf(site)
    const table: Readonly<Record<string, readonly [string, RegExp]>> = {
      'a password in place of its hash': [
        'basic_auth_users:\n  prometheus: hunter2\n',
        /web\.yml:basic_auth_users \(line 2\): .*bcrypt hash/,
      ],
      'an unknown key': ['tls_config: {}\n', /web\.yml:tls_config \(line 1\): there is no such key/],
      'a certificate that is not there': [
        'tls_server_config: {cert_file: no.crt, key_file: no.key}\n',
        /cert_file \(line 1\): "no\.crt" cannot be read: ENOENT/,
      ],
    }
    for (const [name, [text, message]] of Object.entries(table)) {
      const file = join(folder, 'web.yml')
      writeFileSync(file, text)
      const { code, stderr } = await runToTheEnd(site.undo, { env: { ORB8_WEB_CONFIG_FILE: file, ORB8_LISTEN: '127.0.0.1:0' } })
      t.equal(code, 2, name)
      t.equal(stderr.length, 1)
      t.match(stderr[0], message)
      t.same(leaksIn(stderr), [])
    }
  }),
)
