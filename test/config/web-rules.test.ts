import { join } from 'node:path'
import t from 'tap'
import { webRules } from '../../src/config/web-rules.ts'
import { yamlReader } from '../../src/config/web-yaml.ts'
import { ConfigError } from '../../src/errors.ts'
import type { WebRules } from '../../src/model.ts'
import { Authority, type Issued } from '../harness/authority.ts'

const ALICE = '$2y$04$.......................KyxKLMd5vyP1icw21wqSvz/XeB9gba'

interface Bench {
  readonly ca: Authority
  readonly server: Issued
  rules(text: string): WebRules
}

async function bench(t: { testdir(): string }): Promise<Bench> {
  const folder = t.testdir()
  const [ca, readYaml] = [new Authority(folder), await yamlReader()]
  const server = ca.server('server')
  const files: Readonly<Record<string, string>> = {
    'server.crt': server.cert,
    'server.key': server.key,
    'tls/ca.crt': ca.cert,
    'ca.key': ca.key,
    junk: 'hunter2',
  }
  const read = (path: string): string => {
    const text = files[path.replace(/^\/etc\/orb8\//, '')]
    if (text === undefined) throw Object.assign(new Error('no such file'), { code: 'ENOENT' })
    return text
  }
  return { ca, server, rules: (text) => webRules('/etc/orb8/web.yml', readYaml(text), read) }
}

const TLS = 'tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n'

t.test('an empty file asks for nothing', async (t) => {
  const { rules } = await bench(t)
  const nothing = { tls: undefined, headers: {}, rateLimit: undefined, users: new Map(), warnings: [] }
  t.strictSame(rules(''), nothing)
  t.strictSame(rules('tls_server_config: {}\nhttp_server_config:\nrate_limit:\nbasic_auth_users:\n'), nothing)
  t.strictSame(rules('http_server_config: {http2: no, headers: {X-Frame-Options: ""}}\nrate_limit: {interval: 0, burst: 5}\n'), nothing)
})

t.test('the whole format is read', async (t) => {
  const { ca, server, rules } = await bench(t)
  const text = `tls_server_config:
  cert_file: server.crt
  key_file: /etc/orb8/server.key
  client_auth_type: RequireAndVerifyClientCert
  client_ca_file: tls/ca.crt
  client_allowed_sans: [prometheus.example.org, 10.0.0.1]
  min_version: TLS13
  max_version: TLS13
  cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256]
  prefer_server_cipher_suites: false
  curve_preferences: [X25519, CurveP256]
http_server_config:
  http2: true
  headers:
    Content-Security-Policy: default-src 'self'
    X-Frame-Options: deny
    X-Content-Type-Options: nosniff
    X-XSS-Protection: "1"
    Strict-Transport-Security: max-age=31536000
basic_auth_users:
  alice: ${ALICE}
  007: ${ALICE}
rate_limit:
  interval: 500ms
  burst: 20
`
  const { tls, headers, rateLimit, users, warnings } = rules(text)
  t.strictSame(tls, {
    cert: server.cert,
    key: server.key,
    clientCa: ca.cert,
    clientAuth: 'RequireAndVerifyClientCert',
    allowedSans: ['prometheus.example.org', '10.0.0.1'],
    minVersion: 'TLSv1.3',
    maxVersion: 'TLSv1.3',
    ciphers: 'TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:ECDHE-ECDSA-AES128-GCM-SHA256',
    honorCipherOrder: false,
    ecdhCurve: 'X25519:P-256',
  })
  t.strictSame(headers, {
    'Content-Security-Policy': "default-src 'self'",
    'X-Frame-Options': 'deny',
    'X-Content-Type-Options': 'nosniff',
    'X-XSS-Protection': '1',
    'Strict-Transport-Security': 'max-age=31536000',
  })
  t.strictSame(rateLimit, { intervalMs: 500, burst: 20 })
  t.strictSame(
    [...users],
    [
      ['alice', ALICE],
      ['007', ALICE],
    ],
  )
  t.match(warnings, [/http2.*HTTP\/1\.1/])
})

t.test('certificates may stand in the file, and the older name of an auth type goes on', async (t) => {
  const { ca, server, rules } = await bench(t)
  const inline = { cert: server.cert, key: server.key, client_ca: ca.cert, client_auth_type: 'RequireClientCert' }
  t.match(rules(JSON.stringify({ tls_server_config: inline })).tls, {
    cert: server.cert,
    key: server.key,
    clientCa: ca.cert,
    clientAuth: 'RequireAnyClientCert',
    minVersion: 'TLSv1.2',
    maxVersion: 'TLSv1.3',
    honorCipherOrder: true,
  })
})

// What is wrong, and what its line must say.
const WRONG: readonly (readonly [string, readonly string[]])[] = [
  ['tls_server_confg: {}\n', ['web.yml:tls_server_confg (line 1)', 'no such key', 'did you mean tls_server_config?']],
  ['\ntls_server_config: yes\n', ['web.yml:tls_server_config (line 2)', 'not a map']],
  [`${TLS}  cert_fil: x\n`, ['web.yml:tls_server_config.cert_fil (line 4)', 'did you mean cert_file?']],
  [`${TLS}  cert: x\n`, ['tls_server_config.cert (line 4)', 'cert_file is given too']],
  ['tls_server_config: {min_version: TLS12}\n', ['web.yml:tls_server_config:', 'cert_file', 'TLS needs a certificate']],
  ['tls_server_config: {cert_file: server.crt}\n', ['neither key_file nor key']],
  [
    'tls_server_config: {cert_file: gone.crt, key_file: server.key}\n',
    ['tls_server_config.cert_file (line 1)', '"gone.crt" cannot be read: ENOENT'],
  ],
  ['tls_server_config: {cert_file: junk, key_file: server.key}\n', ['tls_server_config.cert_file', '"junk" holds no certificate in PEM']],
  ['tls_server_config: {cert_file: server.crt, key_file: junk}\n', ['tls_server_config.key_file', '"junk" holds no private key in PEM']],
  ['tls_server_config: {cert_file: server.crt, key_file: ca.key}\n', ['tls_server_config.key_file', 'does not belong to the certificate']],
  ['tls_server_config: {cert_file: server.crt, key: hunter2}\n', ['tls_server_config.key (line 1)', 'it holds no private key']],
  ['tls_server_config: {cert_file: server.crt, key: [hunter2]}\n', ['tls_server_config (line 1)', 'is not text']],
  [`${TLS}  min_version: TLS10\n`, ['tls_server_config.min_version (line 4)', '"TLS10"', 'TLS12 or TLS13']],
  [`${TLS}  min_version: TLS13\n  max_version: TLS12\n`, ['tls_server_config.max_version (line 5)', 'below min_version']],
  [`${TLS}  max_version: TLS12\n  cipher_suites: [TLS_AES_128_GCM_SHA256]\n`, ['cipher_suites (line 5)', 'none of TLS 1.2']],
  [`${TLS}  cipher_suites: [TLS_RSA_WITH_RC4_128_SHA]\n`, ['cipher_suites (line 4)', 'TLS_RSA_WITH_RC4_128_SHA', 'TLS_AES_128_GCM_SHA256']],
  [`${TLS}  cipher_suites: []\n`, ['cipher_suites (line 4)', 'is empty']],
  [`${TLS}  curve_preferences: [CurveP123]\n`, ['curve_preferences (line 4)', 'CurveP123', 'CurveP256']],
  [`${TLS}  prefer_server_cipher_suites: maybe\n`, ['prefer_server_cipher_suites (line 4)', '"maybe"', 'true or false']],
  [`${TLS}  client_auth_type: Always\n`, ['client_auth_type (line 4)', '"Always"', 'RequireAndVerifyClientCert']],
  [`${TLS}  client_ca_file: tls/ca.crt\n`, ['client_auth_type', 'NoClientCert never looks at client_ca']],
  [`${TLS}  client_auth_type: RequireAndVerifyClientCert\n`, ['client_auth_type (line 4)', 'client_ca_file']],
  [`${TLS}  client_auth_type: VerifyClientCertIfGiven\n`, ['client_auth_type (line 4)', 'client_ca_file']],
  [`${TLS}  client_auth_type: RequestClientCert\n  client_allowed_sans: [a]\n`, ['client_auth_type (line 4)', 'without a certificate']],
  [`${TLS}  client_auth_type: RequireAnyClientCert\n  client_allowed_sans: []\n`, ['client_allowed_sans (line 5)', 'is empty']],
  [`${TLS}  client_auth_type: RequireAnyClientCert\n  client_allowed_sans: a\n`, ['client_allowed_sans (line 5)', 'is not a list']],
  ['http_server_config: {http3: true}\n', ['http_server_config.http3 (line 1)', 'did you mean http2?']],
  ['http_server_config:\n  headers:\n    Server: x\n', ['http_server_config.headers.Server (line 3)', 'X-Frame-Options']],
  ['http_server_config: {headers: {X-Frame-Options: DENY}}\n', ['X-Frame-Options', '"DENY"', 'deny or sameorigin']],
  ['http_server_config: {headers: {X-XSS-Protection: "a\\r\\nSet-Cookie: b"}}\n', ['X-XSS-Protection', 'not the value of a header']],
  ['rate_limit: {interval: 1, burst: 5}\n', ['rate_limit.interval (line 1)', '1 is not a duration', '1s or 100ms']],
  ['rate_limit: {interval: 25h, burst: 5}\n', ['rate_limit.interval', 'longer than a day']],
  ['rate_limit: {interval: 1s}\n', ['rate_limit.burst', 'no request through']],
  ['rate_limit: {interval: 1s, burst: 1.5}\n', ['rate_limit.burst', 'not a whole number']],
  ['rate_limit: {interval: 1s, burst: -1}\n', ['rate_limit.burst', 'below 0']],
  ['basic_auth_users: [hunter2]\n', ['basic_auth_users (line 1)', 'not a map']],
  ['basic_auth_users:\n  alice: hunter2\n', ['web.yml:basic_auth_users (line 2)', 'no bcrypt hash', 'htpasswd']],
  ['basic_auth_users:\n  hunter2: alice\n', ['web.yml:basic_auth_users (line 2)', 'no bcrypt hash']],
  ['basic_auth_users:\n  alice:\n', ['basic_auth_users (line 2)', 'is not text']],
  ['basic_auth_users:\n  alice: ""\n', ['basic_auth_users (line 2)', 'no bcrypt hash']],
  ['basic_auth_users:\n  alice: 12345\n', ['basic_auth_users (line 2)', 'is not text']],
  [`basic_auth_users:\n  alice: ${ALICE.replace('$04$', '$19$')}\n`, ['basic_auth_users (line 2)', 'cost out of range', '4 to 18']],
  [`basic_auth_users:\n  alice: ${ALICE.replace('$04$', '$03$')}\n`, ['cost out of range']],
  [`basic_auth_users:\n  alice: ${ALICE.replace('$2y$', '$2x$')}\n`, ['no bcrypt hash']],
]

t.test('what is wrong is one line with file, key, line and remedy, and never a secret', async (t) => {
  const { rules } = await bench(t)
  for (const [text, parts] of WRONG) {
    let error: unknown
    try {
      rules(text)
    } catch (thrown) {
      error = thrown
    }
    t.ok(error instanceof ConfigError, text)
    const message = error instanceof Error ? error.message : ''
    for (const part of parts) t.ok(message.includes(part), `${JSON.stringify(part)} in ${message}`)
    t.notMatch(message, /hunter2|12345|XeB9gba|\n/)
  }
})

t.test('paths are looked for beside the file', async (t) => {
  const seen: string[] = []
  const [readYaml, { server }] = [await yamlReader(), await bench(t)]
  const read = (path: string): string => {
    seen.push(path)
    return path.endsWith('.key') ? server.key : server.cert
  }
  webRules('/a/b/web.yml', readYaml('tls_server_config: {cert_file: ../tls/s.crt, key_file: /x/s.key}\n'), read)
  t.strictSame(seen, [join('/a/tls/s.crt'), '/x/s.key'])
})
