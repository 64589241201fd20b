import { getCiphers } from 'node:tls'
import t from 'tap'
import { CURVES, cipherList, curveList, hasTls12, SUITES } from '../../src/config/web-tls-words.ts'

t.test('every suite that Go names is one that OpenSSL has', async (t) => {
  const known = getCiphers().map((name) => name.toUpperCase())
  for (const [name, suite] of SUITES) t.ok(known.includes(suite), name)
  t.equal(SUITES.size, 13)
})

t.test('suites of TLS 1.3 are always on, those of TLS 1.2 in the order asked for', async (t) => {
  const modern = 'TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256'
  t.equal(
    cipherList(['TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA', 'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256']),
    `${modern}:ECDHE-RSA-AES256-SHA:ECDHE-ECDSA-AES128-GCM-SHA256`,
  )
  t.equal(cipherList(['TLS_AES_256_GCM_SHA384']), modern)
  t.notOk(hasTls12(modern))
  t.ok(hasTls12(cipherList(undefined)))
  t.notMatch(cipherList(undefined), /SHA:|SHA$/, 'without authenticated encryption')
})

t.test('curves', async (t) => {
  t.equal(curveList([...CURVES.keys()]), 'P-256:P-384:P-521:X25519')
  t.equal(curveList(undefined), 'auto')
})
