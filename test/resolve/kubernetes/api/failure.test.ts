import t from 'tap'
import { Orb8Error } from '../../../../src/errors.ts'
import { ApiFailure, explained, refusalOf, refused, Silence } from '../../../../src/resolve/kubernetes/api/failure.ts'

const withCode = (code: string, cause?: Error): Error => Object.assign(new Error('words', { cause }), { code })

t.test('a failure says what, where and what mends it', (t) => {
  for (const [error, message] of [
    [withCode('ECONNREFUSED'), 'connection refused (is the API server up'],
    [new AggregateError([withCode('ECONNREFUSED')]), 'connection refused'],
    [withCode('UND_ERR_SOCKET', withCode('ECONNRESET')), 'the connection was cut'],
    [new TypeError('terminated', { cause: withCode('UND_ERR_SOCKET') }), 'the connection was cut'],
    [withCode('SELF_SIGNED_CERT_IN_CHAIN'), 'TLS: SELF_SIGNED_CERT_IN_CHAIN (the CA'],
    [withCode('CERT_HAS_EXPIRED'), "the server's certificate has expired"],
    [withCode('ERR_TLS_CERT_ALTNAME_INVALID'), "the server's certificate is for another name"],
    [withCode('ESOMETHING'), 'ESOMETHING'],
    [new Silence(), 'the server says nothing any more'],
    [new Error('odd'), 'odd'],
    ['thrown', 'for no known reason'],
  ] as const) {
    t.ok(explained('watch pods at https://x', error).message.startsWith(`cannot watch pods at https://x: ${message}`), message)
  }
  const known = new Orb8Error('do', 'that', '')
  t.equal(explained('watch', known), known, 'one that says it already is left alone')
  t.end()
})

t.test("a refusal gives the server's words, shortened and on one line", (t) => {
  const body = JSON.stringify({ kind: 'Status', message: `pods is forbidden\n${'x'.repeat(1000)}`, reason: 'Forbidden', code: 403 })
  const failure = refused('list pods', refusalOf(403, undefined, body))
  t.match(failure.message, /^cannot list pods: HTTP 403: pods is forbidden x+ \(the role needs list and watch/)
  t.ok(failure.message.length < 450)
  t.match(failure.refusal, { status: 403, reason: 'Forbidden', retryAfterMs: undefined })
  t.equal(refused('list pods', refusalOf(502, undefined, '<html>')).message, 'cannot list pods: HTTP 502')
  t.ok(failure instanceof ApiFailure)
  t.end()
})

t.test('Retry-After is seconds or a date, within bounds', (t) => {
  const patience = (header: string) => refusalOf(429, header, '').retryAfterMs
  t.equal(patience('7'), 7000)
  t.equal(patience('999999'), 300_000)
  t.equal(patience('soon'), undefined)
  t.equal(patience('Sat, 01 Jan 2000 00:00:00 GMT'), 0)
  const date = patience(new Date(Date.now() + 20_000).toUTCString()) ?? 0
  t.ok(date > 15_000 && date <= 20_000, `${date}`)
  t.end()
})
