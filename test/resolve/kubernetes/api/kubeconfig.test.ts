import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { stringify } from 'yaml'
import { openKubeconfig } from '../../../../src/resolve/kubernetes/api/kubeconfig.ts'
import { until } from '../../../harness/child.ts'

const SECRET = 'swordfish-swordfish-swordfish'

function config(cluster: object, user?: object): string {
  return stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'c', cluster: { server: 'https://server:6443/', ...cluster } }],
    ...(user && { users: [{ name: 'u', user }] }),
    contexts: [{ name: 'x', context: { cluster: 'c', ...(user && { user: 'u' }) } }],
    'current-context': 'x',
  })
}

const base64 = (text: string): string => Buffer.from(text).toString('base64')

t.test('every way to be let in', async (t) => {
  const folder = t.testdir({ 'ca.crt': 'CA', 'u.crt': 'CERT', 'u.key': 'KEY', token: 'by-file\n' })
  const cases: readonly [string, object, object | undefined, object][] = [
    ['nothing', {}, undefined, { server: 'https://server:6443', headers: {}, tls: {} }],
    ['a token', {}, { token: 'abc' }, { headers: { authorization: 'Bearer abc' } }],
    ['a file with a token', {}, { tokenFile: 'token' }, { headers: { authorization: 'Bearer by-file' } }],
    ['a password', {}, { username: 'me', password: 'pass' }, { headers: { authorization: `Basic ${base64('me:pass')}` } }],
    ['a CA', { 'certificate-authority': 'ca.crt' }, undefined, { tls: { ca: 'CA' } }],
    ['a CA in place', { 'certificate-authority-data': base64('INLINE') }, { token: 'abc' }, { tls: { ca: 'INLINE' } }],
    ['a certificate', {}, { 'client-certificate': 'u.crt', 'client-key': 'u.key' }, { tls: { cert: 'CERT', key: 'KEY' } }],
    ['one in place', {}, { 'client-certificate-data': base64('C'), 'client-key-data': base64('K') }, { tls: { cert: 'C', key: 'K' } }],
    ['no verification', { 'insecure-skip-tls-verify': true }, undefined, { tls: { rejectUnauthorized: false } }],
    ['another name', { 'tls-server-name': 'other' }, undefined, { tls: { servername: 'other' } }],
    ['a proxy', { 'proxy-url': 'http://proxy:3128' }, undefined, { proxy: 'http://proxy:3128' }],
    ['plain HTTP', { server: 'http://server:8080' }, undefined, { server: 'http://server:8080' }],
    ['somebody else', {}, { token: 'abc', as: 'other' }, { headers: { 'impersonate-user': 'other' } }],
  ]
  for (const [name, cluster, user, expected] of cases) {
    const path = join(folder, 'config')
    writeFileSync(path, config(cluster, user))
    t.match(await openKubeconfig([path]).access(), expected, name)
  }
})

/** A plugin that counts its runs beside it, and prints what its argument says. */
const PLUGIN = `#!/bin/sh
echo run >>"$(dirname "$0")/runs"
case $1 in
hang) echo $$ >"$(dirname "$0")/pid"; exec sleep 30 ;;
fail) echo "no login: token ${SECRET}" >&2; exit 3 ;;
noise) echo "${SECRET}" ;;
certificate) echo '{"kind":"ExecCredential","status":{"clientCertificateData":"CERT","clientKeyData":"KEY"}}' ;;
*) printf '{"kind":"ExecCredential","status":{"token":"run-%s"}}' "$(grep -c run "$(dirname "$0")/runs")" ;;
esac
`

function withPlugin(t: Test, mode: string): { path: string; runs: () => number } {
  const exec = { apiVersion: 'client.authentication.k8s.io/v1', command: './plugin', args: [mode] }
  const folder = t.testdir({ plugin: PLUGIN, config: config({}, { exec }) })
  chmodSync(join(folder, 'plugin'), 0o755)
  return { path: join(folder, 'config'), runs: () => readFileSync(join(folder, 'runs'), 'utf8').split('\n').length - 1 }
}

t.test('a plugin runs once for all that ask, and again when refused', async (t) => {
  const { path, runs } = withPlugin(t, 'token')
  const cluster = openKubeconfig([path])
  const answers = await Promise.all([cluster.access(), cluster.access(), cluster.access()])
  for (const { headers } of answers) t.equal(headers.authorization, 'Bearer run-1')
  t.equal((await cluster.access()).headers.authorization, 'Bearer run-1')
  cluster.renew()
  t.equal((await cluster.access()).headers.authorization, 'Bearer run-2')
  t.equal(runs(), 2)
})

t.test('a plugin may give a certificate', async (t) => {
  const { path } = withPlugin(t, 'certificate')
  t.match(await openKubeconfig([path]).access(), { tls: { cert: 'CERT', key: 'KEY' } })
})

t.test('a plugin that fails is told without what it printed of a secret', async (t) => {
  for (const [mode, words] of [
    ['fail', /get credentials: no login: token \*\*\* \(see the user of the current context in /],
    ['noise', /get credentials: what the plugin printed is no JSON/],
  ] as const) {
    await t.rejects(openKubeconfig([withPlugin(t, mode).path]).access(), { message: words })
  }
  const missing = join(t.testdir({ config: config({}, { exec: { command: 'orb8-no-such-plugin', apiVersion: 'v1' } }) }), 'config')
  await t.rejects(openKubeconfig([missing]).access(), { message: /ENOENT: orb8-no-such-plugin/ })
})

t.test('a plugin that hangs is waited for no longer than it may take, not started twice, and ended', async (t) => {
  const { path, runs } = withPlugin(t, 'hang')
  const cluster = openKubeconfig([path], 100)
  for (let i = 0; i < 2; i++) await t.rejects(cluster.access(), { message: /has not answered for 0.1 s/ })
  t.equal(runs(), 1)
  const pid = readFileSync(join(dirname(path), 'pid'), 'utf8').trim()
  await until('the end of the plugin', () => !existsSync(`/proc/${pid}`), 10_000)
})

t.test('a file that changes is read again', async (t) => {
  const path = join(t.testdir({ config: config({}, { token: 'one' }) }), 'config')
  const cluster = openKubeconfig([path])
  t.equal((await cluster.access()).headers.authorization, 'Bearer one')
  await sleep(5)
  writeFileSync(path, config({ server: 'https://elsewhere:1' }, { token: 'two' }))
  t.match(await cluster.access(), { server: 'https://elsewhere:1', headers: { authorization: 'Bearer two' } })
  writeFileSync(path, `users: [{ name: u, user: { token: ${SECRET}`)
  const refused = await cluster.access().catch((error: Error) => error.message)
  t.match(refused, /^cannot use KUBECONFIG: \S+config: it is no valid YAML/)
  t.notMatch(refused, SECRET)
  await sleep(5)
  writeFileSync(path, config({}, { token: 'three' }))
  t.equal((await cluster.access()).headers.authorization, 'Bearer three', 'and works again when it is mended')
})

t.test('of several files the first that has a name wins, and one that is not there is passed over', async (t) => {
  const folder = t.testdir({
    one: config({ server: 'https://one:1' }, { token: 'one' }),
    two: config({ server: 'https://two:2' }, { token: 'two' }),
  })
  const files = ['none', 'two', 'one'].map((name) => join(folder, name))
  t.match(await openKubeconfig(files).access(), { server: 'https://two:2', headers: { authorization: 'Bearer two' } })
})

t.test('what cannot be used is refused with the file and the reason, without a secret', (t) => {
  const withToken = config({}, { token: SECRET })
  for (const [text, words] of [
    ['', /it is no kubeconfig|it is no valid YAML/],
    ['just words', /there is no current-context/],
    ['clusters: [{ name: c, cluster: { server: 5 } }]', /it is no kubeconfig/],
    ['users: [{ user: {} }]', /users\[0\].name is missing/],
    [`token: ${SECRET}\n\t- [`, /it is no valid YAML, see line \d/],
    [withToken.replace('current-context: x', ''), /there is no current-context/],
    [withToken.replace('cluster: c', 'cluster: other'), /its current context "x" has no cluster/],
    [withToken.replace('user: u', 'user: other'), /its current context "x" names a user that is not there/],
    [withToken.replace('https://server:6443/', 'server:6443'), /the server of cluster "c" is no URL/],
    [config({ 'proxy-url': 'socks5://proxy:1080' }), /a SOCKS proxy is not supported/],
  ] as const) {
    const path = join(t.testdir({ config: text }), 'config')
    let message = ''
    try {
      openKubeconfig([path])
    } catch (error) {
      message = (error as Error).message
    }
    t.match(message, words)
    t.match(message, `cannot use KUBECONFIG: ${path}: `)
    t.notMatch(message, SECRET)
  }
  t.end()
})
