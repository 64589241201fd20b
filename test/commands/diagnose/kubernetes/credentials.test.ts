import t from 'tap'
import { accessTo, described } from '../../../../src/commands/diagnose/kubernetes/credentials.ts'
import type { Access } from '../../../../src/resolve/kubernetes/api/access.ts'

const access = (more: Partial<Access> = {}): Access => ({ server: 'https://here', headers: {}, tls: {}, ...more })
const secret = (scheme: string) => ({ authorization: `${scheme} s3cret` })

t.test('what is shown to the server is told by its kind', async (t) => {
  t.equal(described(access({ headers: secret('Bearer') }), true, []), "by the pod's service account, with a token")
  t.equal(described(access({ headers: secret('Basic') }), false, ['/a', '/b']), 'by /a, /b, with a password')
  t.equal(described(access({ tls: { cert: 's3cret', key: 's3cret' } }), false, []), 'by ~/.kube/config, with a client certificate')
  const both = access({ tls: { cert: 'x', key: 'x' }, headers: secret('Bearer') })
  t.equal(described(both, false, ['/a']), 'by /a, with a client certificate and a token')
  t.equal(described(access(), false, ['/a']), 'by /a, with no credentials')
})

t.test('credentials that do not come are waited for a while only', async (t) => {
  const cluster = (answer: Promise<Access>) => ({ inCluster: false, access: () => answer, renew: () => undefined })
  const never = accessTo(cluster(Promise.withResolvers<Access>().promise), 20)
  await t.rejects(never, { message: /^cannot get credentials: none within 0.02 s \(run the plugin/ })
  await t.rejects(accessTo(cluster(Promise.reject(new Error('odd')))), { message: 'odd' })
  t.match(await accessTo(cluster(Promise.resolve(access()))), { server: 'https://here' })
})
