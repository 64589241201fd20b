import { once } from 'node:events'
import { type AddressInfo, connect as connectBare, createServer, type Socket } from 'node:net'
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls'
import t, { type Test } from 'tap'
import { cipherList } from '../../src/config/web-tls-words.ts'
import type { ClientAuth, WebTls } from '../../src/model.ts'
import { tlsEntrance } from '../../src/publish/tls-entrance.ts'
import { Authority, type Issued, selfSigned } from '../harness/authority.ts'
import { webTls } from '../harness/web-tls.ts'
import { until } from './serving.ts'

interface Bench {
  readonly ca: Authority
  readonly server: Issued
  tls(more?: Partial<WebTls>): WebTls
  /** `in` with what was negotiated, or `out`. */
  visit(
    tls: WebTls,
    client?: ConnectionOptions,
  ): Promise<{ readonly end: 'in' | 'out'; readonly protocol?: string | null; readonly cipher?: string }>
}

function bench(t: Test): Bench {
  const ca = new Authority(t.testdir())
  const server = ca.server('server')
  const tls = (more: Partial<WebTls> = {}): WebTls => webTls(server, more)
  const visit: Bench['visit'] = async (tls, client = {}) => {
    const port = await serve(t, tls)
    const socket = connect({ host: '127.0.0.1', port, ca: ca.cert, ...client })
    t.teardown(() => socket.destroy())
    const end = await new Promise<'in' | 'out'>((resolve) => {
      socket.on('data', () => resolve('in'))
      socket.on('error', () => resolve('out'))
      socket.on('close', () => resolve('out'))
    })
    return { end, protocol: socket.getProtocol(), cipher: socket.getCipher()?.standardName }
  }
  return { ca, server, tls, visit }
}

/** Says hello to all who come in. */
async function serve(t: Test, tls: WebTls, passed: TLSSocket[] = [], handshakeMs?: number, raws: Socket[] = []): Promise<number> {
  const pass = (socket: TLSSocket): void => {
    passed.push(socket)
    socket.write('hello')
  }
  const entrance = tlsEntrance({ tls, pass, handshakeMs })
  const server = createServer((raw) => {
    raws.push(raw)
    raw.on('error', () => undefined)
    entrance(raw)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.close()
    for (const raw of raws) raw.destroy()
  })
  return (server.address() as AddressInfo).port
}

t.test('each client_auth_type lets in whom it says', async (t) => {
  const { ca, tls, visit } = bench(t)
  const [known, stranger] = [ca.client('known'), selfSigned(t.testdir(), 'stranger')]
  const clients = { none: {}, known: { cert: known.cert, key: known.key }, stranger: { cert: stranger.cert, key: stranger.key } }
  const table: Readonly<Record<ClientAuth, readonly ['in' | 'out', 'in' | 'out', 'in' | 'out']>> = {
    NoClientCert: ['in', 'in', 'in'],
    RequestClientCert: ['in', 'in', 'in'],
    RequireAnyClientCert: ['out', 'in', 'in'],
    VerifyClientCertIfGiven: ['in', 'in', 'out'],
    RequireAndVerifyClientCert: ['out', 'in', 'out'],
  }
  for (const [clientAuth, expected] of Object.entries(table)) {
    const rules = tls({ clientAuth: clientAuth as ClientAuth, clientCa: clientAuth === 'NoClientCert' ? undefined : ca.cert })
    for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
      for (const [index, [name, client]] of Object.entries(clients).entries())
        t.equal((await visit(rules, { ...client, maxVersion })).end, expected[index], `${clientAuth} ${name} ${maxVersion}`)
    }
  }
})

t.test('a certificate needs one of the allowed names', async (t) => {
  const { ca, tls, visit } = bench(t)
  const allowed = ['prometheus.example.org', '2001:0db8::1', 'spiffe://cluster/ns/monitoring']
  const table: readonly (readonly [string, readonly string[], 'in' | 'out'])[] = [
    ['dns', ['DNS:other.example.org', 'DNS:prometheus.example.org'], 'in'],
    ['ip', ['IP:2001:db8:0:0::1'], 'in'],
    ['uri', ['URI:spiffe://cluster/ns/monitoring'], 'in'],
    ['none', [], 'out'],
    ['other', ['DNS:evil.prometheus.example.org'], 'out'],
    ['wild', ['DNS:*.example.org'], 'out'],
  ]
  for (const [name, names, end] of table) {
    const { cert, key } = ca.client(name, names)
    const rules = tls({ clientAuth: 'RequireAndVerifyClientCert', clientCa: ca.cert, allowedSans: allowed })
    t.equal((await visit(rules, { cert, key })).end, end, name)
  }
})

t.test('versions, suites and curves are those of the rules', async (t) => {
  const { tls, visit } = bench(t)
  t.match(await visit(tls()), { end: 'in', protocol: 'TLSv1.3' })
  t.match(await visit(tls({ maxVersion: 'TLSv1.2' })), { end: 'in', protocol: 'TLSv1.2' })
  t.match(await visit(tls({ minVersion: 'TLSv1.3' }), { maxVersion: 'TLSv1.2' }), { end: 'out' })
  t.match(await visit(tls(), { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' }), { end: 'out' })
  const one = tls({ maxVersion: 'TLSv1.2', ciphers: cipherList(['TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256']) })
  t.match(await visit(one), { end: 'in', cipher: 'TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256' })
  t.match(await visit(one, { ciphers: 'ECDHE-ECDSA-AES128-GCM-SHA256' }), { end: 'out' })
  const two = {
    ciphers: cipherList(['TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384', 'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256']),
    maxVersion: 'TLSv1.2',
  } as const
  const client = { ciphers: 'ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384' }
  t.match(await visit(tls(two), client), { cipher: 'TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384' })
  t.match(await visit(tls({ ...two, honorCipherOrder: false }), client), { cipher: 'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256' })
  const curve = tls({ ecdhCurve: 'P-384' })
  t.match(await visit(curve, { ecdhCurve: 'P-384' }), { end: 'in' })
  t.match(await visit(curve, { ecdhCurve: 'X25519' }), { end: 'out' })
})

t.test('who asks for HTTP/2 too gets HTTP/1.1', async (t) => {
  const { tls, ca } = bench(t)
  const socket = connect({ host: '127.0.0.1', port: await serve(t, tls()), ca: ca.cert, ALPNProtocols: ['h2', 'http/1.1'] })
  t.teardown(() => socket.destroy())
  await once(socket, 'secureConnect')
  t.equal(socket.alpnProtocol, 'http/1.1')
})

t.test('a connection without a handshake, or with half of one, is closed in time', async (t) => {
  const { tls } = bench(t)
  const passed: TLSSocket[] = []
  const port = await serve(t, tls(), passed, 300)
  const silent = connectBare({ host: '127.0.0.1', port })
  const half = connectBare({ host: '127.0.0.1', port })
  half.write(Buffer.from('16030102000100', 'hex'))
  const plain = connectBare({ host: '127.0.0.1', port })
  plain.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
  for (const socket of [silent, half, plain]) socket.on('error', () => undefined).resume()
  await Promise.all([silent, half, plain].map((socket) => once(socket, 'close')))
  t.equal(passed.length, 0)
})

t.test('an encrypted connection ends with the bare one under it', async (t) => {
  const { tls, ca } = bench(t)
  const [passed, raws]: [TLSSocket[], Socket[]] = [[], []]
  const client = connect({ host: '127.0.0.1', port: await serve(t, tls(), passed, undefined, raws), ca: ca.cert })
  client.on('error', () => undefined)
  await once(client, 'data')
  raws[0]?.destroy()
  await once(client, 'close')
  await until(() => passed[0]?.destroyed === true)
  t.ok(passed[0]?.destroyed)
})
