import { X509Certificate } from 'node:crypto'
import { join } from 'node:path'
import t from 'tap'
import { alternativeNames, canonical } from '../../src/publish/alternative-names.ts'
import { Authority, selfSigned } from '../harness/authority.ts'

t.test('every kind of name is taken out of a certificate', async (t) => {
  const ca = new Authority(t.testdir())
  const names = [
    'DNS:a.example',
    'DNS:*.b.example',
    'IP:10.0.0.1',
    'IP:2001:db8::1',
    'email:x@example.org',
    'URI:spiffe://c/ns/d',
    'RID:1.2.3.4',
  ]
  const { cert } = ca.client('client', names)
  t.strictSame(
    [...alternativeNames(new X509Certificate(cert))].sort(),
    ['*.b.example', '10.0.0.1', '2001:db8::1', 'a.example', 'spiffe://c/ns/d', 'x@example.org'].sort(),
  )
  t.strictSame(alternativeNames(new X509Certificate(ca.client('none').cert)), [])
})

t.test('a name that looks like two is one', async (t) => {
  const config =
    '[req]\ndistinguished_name = dn\n[dn]\n[ext]\nsubjectAltName = @names\n[names]\nDNS.1 = evil, DNS:good.example\nURI.1 = http://evil/\\", DNS:good.example\n'
  const folder = t.testdir({ config })
  const { cert } = selfSigned(folder, 'hostile', undefined, ['-config', join(folder, 'config'), '-extensions', 'ext'])
  t.strictSame(alternativeNames(new X509Certificate(cert)), ['evil, DNS:good.example', 'http://evil/", DNS:good.example'])
  t.strictSame(alternativeNames({ subjectAltName: 'DNS:"evil, DNS:good.example", DNS:b' }), ['evil, DNS:good.example', 'b'])
})

t.test('what is not as it should be holds no name at all', async (t) => {
  for (const subjectAltName of ['DNS:a, b', 'DNS:a", DNS:b', 'DNS:"a, DNS:b', 'a', 'DNS:"a"b']) {
    t.strictSame(alternativeNames({ subjectAltName }), [], subjectAltName)
  }
})

t.test('addresses have one form, names stay', async (t) => {
  t.equal(canonical('2001:0DB8:0:0:0:0:0:1'), '2001:db8::1')
  t.equal(canonical('Name.example'), 'Name.example')
})
