import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { hasServiceAccount, InCluster } from '../../../../src/resolve/kubernetes/api/in-cluster.ts'

const ADDRESS = { host: '10.96.0.1', port: '443' }

t.test('token and CA are read for each request', async (t) => {
  const folder = t.testdir({ token: 'first\n', 'ca.crt': 'CA 1\n' })
  const cluster = new InCluster(ADDRESS, folder)
  t.same(await cluster.access(), { server: 'https://10.96.0.1:443', headers: { authorization: 'Bearer first' }, tls: { ca: 'CA 1' } })
  writeFileSync(join(folder, 'token'), 'second')
  writeFileSync(join(folder, 'ca.crt'), 'CA 2')
  t.match(await cluster.access(), { headers: { authorization: 'Bearer second' }, tls: { ca: 'CA 2' } })
})

t.test('an IPv6 address stands in brackets', async (t) => {
  const cluster = new InCluster({ host: 'fd00::1', port: '6443' }, t.testdir({ token: 'x', 'ca.crt': 'y' }))
  t.equal((await cluster.access()).server, 'https://[fd00::1]:6443')
})

t.test('what is missing is named, with what mends it', async (t) => {
  const folder = t.testdir({ token: ' \n', 'ca.crt': 'y' })
  const cluster = new InCluster(ADDRESS, folder)
  await t.rejects(cluster.access(), {
    message: `cannot read the pod's service account: ${folder}/token is empty (the kubelet fills it: see its log)`,
  })
  t.equal(hasServiceAccount(folder), true)
  rmSync(join(folder, 'token'))
  await t.rejects(cluster.access(), { message: /token: ENOENT \(the pod needs automountServiceAccountToken: true\)/ })
  t.equal(hasServiceAccount(folder), false)
})
