// The client against a collector that wants certificates, headers, or little on the wire.
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { ServerCredentials } from '@grpc/grpc-js'
import t, { type Test } from 'tap'
import type { OtlpSettings } from '../../../src/publish/otlp/settings.ts'
import { createSelf } from '../../../src/publish/self.ts'
import { until } from '../../harness/child.ts'
import { manyFlows } from '../snapshots.ts'
import { collectorOf, plain, push, startedAt } from './pushing.ts'

const START_MS = 1_700_000_000_000
const NOW_MS = START_MS + 90_000

t.test('TLS: the authority must be the right one, the client shows its certificate, and what changes on disk is read anew', async (t) => {
  t.setTimeout(60_000)
  const folder = t.testdir({})
  for (const [name, host] of [
    ['server', '127.0.0.1'],
    ['client', 'orb8'],
    ['stranger', 'x'],
  ] as const)
    authority(folder, name, host)
  const pem = (name: string): Buffer => readFileSync(join(folder, name))
  const pair = { private_key: pem('server.key'), cert_chain: pem('server.pem') }
  const collector = await collectorOf(t, { credentials: ServerCredentials.createSsl(pem('client-ca.pem'), [pair], true) })
  const tls = { otlpEndpoint: { address: `127.0.0.1:${collector.port}`, tls: undefined }, otlpCertificate: join(folder, 'server-ca.pem') }
  const client = (name: string) => ({ otlpClientCertificate: join(folder, `${name}.pem`), otlpClientKey: join(folder, `${name}.key`) })
  const families = await createSelf({ version: '1', libbpfVersion: '1' }).families()
  const outcome = async (settings: Partial<OtlpSettings>): Promise<string> => {
    // Its own numbers alone: without a snapshot there is no last export, which tries for seconds.
    const { otlp, results } = push(t, { settings: { exportIntervalMs: 1500, ...settings }, families })
    await until('an export', () => results.length > 0)
    await otlp.close()
    return results[0] ?? ''
  }
  t.equal(await outcome({ ...tls, ...client('client') }), 'success')
  t.equal(await outcome(tls), 'failure', 'no certificate of its own')
  t.equal(await outcome({ ...tls, ...client('stranger') }), 'failure', 'one of another authority')
  t.equal(await outcome({ ...tls, ...client('client'), otlpCertificate: '' }), 'failure', 'an authority that nobody trusts')
  t.equal(await outcome({ ...tls, ...client('client'), otlpInsecure: true }), 'failure', 'no TLS')

  const { results } = push(t, { settings: { ...tls, ...client('stranger') }, families })
  await until('an export', () => results.length > 0)
  for (const end of ['pem', 'key']) execFileSync('cp', [join(folder, `client.${end}`), join(folder, `stranger.${end}`)])
  await until('one with the new certificate', () => results.includes('success'))
})

/** A certificate and the authority that signed it. */
function authority(folder: string, name: string, host: string): void {
  const openssl = (...args: string[]): void => void execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' })
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2']
  openssl('req', '-x509', ...key, '-keyout', `${name}-ca.key`, '-out', `${name}-ca.pem`, '-subj', `/CN=${name} authority`)
  const san = host === '127.0.0.1' ? `IP:${host}` : `DNS:${host}`
  const signed = ['-CA', `${name}-ca.pem`, '-CAkey', `${name}-ca.key`, '-addext', `subjectAltName=${san}`]
  openssl('req', '-x509', ...key, ...signed, '-keyout', `${name}.key`, '-out', `${name}.pem`, '-subj', `/CN=${name}`)
}

t.test('headers go with every request, and gzip makes requests shorter on the wire', async (t) => {
  t.setTimeout(60_000)
  const collector = await collectorOf(t)
  const onTheWire = async (otlpCompression: 'none' | 'gzip'): Promise<number> => {
    const { port, bytes } = await relay(t, collector.port)
    const otlpHeaders = [
      ['authorization', 'Bearer a=b, c'],
      ['x-key-bin', 'AAEC'],
    ] as const
    const { otlp, results } = push(t, { settings: { ...plain(port), otlpCompression, otlpHeaders, exportIntervalMs: 2000 } })
    otlp.add(startedAt(manyFlows(500, NOW_MS), START_MS))
    await until('an export', () => results.includes('success'))
    await otlp.close()
    return bytes()
  }
  const [whole, packed] = [await onTheWire('none'), await onTheWire('gzip')]
  t.ok(packed * 4 < whole, `${packed} of ${whole} bytes`)
  t.ok(collector.received.every(({ metadata }) => metadata.authorization === 'Bearer a=b, c'))
  t.same(collector.received[0]?.metadata['x-key-bin'], Buffer.from([0, 1, 2]))
})

async function relay(t: Test, to: number): Promise<{ port: number; bytes: () => number }> {
  let bytes = 0
  const server = createServer((socket) => {
    const other = connect(to, '127.0.0.1')
    socket.on('data', (piece) => {
      bytes += piece.length
    })
    for (const end of [socket, other]) end.on('error', () => undefined)
    t.teardown(() => [socket, other].map((end) => end.destroy()))
    socket.pipe(other).pipe(socket)
  }).listen(0, '127.0.0.1')
  t.teardown(() => server.close())
  await until('a port', () => server.address() !== null)
  return { port: (server.address() as { port: number }).port, bytes: () => bytes }
}

t.test('a collector may listen at a path', async (t) => {
  const unix = join(t.testdir({}), 's')
  const collector = await collectorOf(t, { unix })
  const { results } = push(t, {
    settings: { otlpEndpoint: { address: `unix://${unix}`, tls: undefined }, otlpInsecure: true },
    families: await createSelf({ version: '1', libbpfVersion: '1' }).families(),
  })
  await until('an export', () => results.includes('success'))
  t.ok(collector.taken.length > 0)
})
