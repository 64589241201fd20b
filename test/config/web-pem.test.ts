import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import t from 'tap'
import { certificatesProblem, contextProblem, keyProblem } from '../../src/config/web-pem.ts'
import { Authority, selfSigned } from '../harness/authority.ts'
import { webTls } from '../harness/web-tls.ts'

t.test('certificates, also several in one text', async (t) => {
  const { cert } = new Authority(t.testdir())
  t.equal(certificatesProblem(cert), undefined)
  t.equal(certificatesProblem(`a comment\n${cert}\n${cert}`), undefined)
  t.equal(certificatesProblem(''), 'holds no certificate in PEM')
  t.equal(certificatesProblem('hunter2'), 'holds no certificate in PEM')
  const broken = cert.replace(/\n[A-Za-z0-9+/]{20}/, '\nAAAAAAAAAAAAAAAAAAAA')
  t.equal(certificatesProblem(`${cert}${broken}`), 'holds a certificate that is broken, the 2. of 2')
})

t.test('a key has to be there, without a passphrase, and the certificate’s own', async (t) => {
  const folder = t.testdir()
  const [one, other] = [selfSigned(folder, 'one'), selfSigned(folder, 'other')]
  t.equal(keyProblem(one.key, one.cert), undefined)
  t.equal(keyProblem(other.key, one.cert), 'holds a key that does not belong to the certificate')
  t.equal(keyProblem(one.cert, one.cert), 'holds no private key in PEM')
  const locked = execFileSync('openssl', ['pkey', '-in', join(folder, 'one.key'), '-aes256', '-passout', 'pass:hunter2'], {
    encoding: 'utf8',
  })
  t.equal(keyProblem(locked, one.cert), 'holds a private key with a passphrase, which nobody could type')
})

t.test('what OpenSSL refuses as a whole is said in its words', async (t) => {
  const folder = t.testdir()
  const good = selfSigned(folder, 'good')
  t.equal(contextProblem(webTls(good)), undefined)
  const weak = selfSigned(folder, 'weak', ['-newkey', 'rsa:1024'])
  t.match(contextProblem(webTls(weak)), /^is refused by OpenSSL: .*key too small/)
})
