import { join } from 'node:path'
import t from 'tap'
import { type ClusterSettings, findCluster } from '../../../../src/resolve/kubernetes/api/cluster.ts'

const KUBECONFIG = `
clusters: [{ name: c, cluster: { server: 'https://by-file:6443' } }]
contexts: [{ name: x, context: { cluster: c } }]
current-context: x
`

t.test('which cluster is asked, by the settings', async (t) => {
  const account = t.testdir({
    token: 't',
    'ca.crt': 'c',
    file: KUBECONFIG,
    home: { '.kube': { config: KUBECONFIG.replace('by-file', 'by-home') } },
  })
  const serviceAddress = { host: '10.96.0.1', port: '443' }
  const file = join(account, 'file')
  const home = join(account, 'home')
  const none = join(account, 'none')
  const cases: readonly [string, ClusterSettings, string | undefined][] = [
    ['off asks none', { kubernetes: 'off', kubeconfig: file, serviceAddress, serviceAccount: account, home }, undefined],
    ['in a pod', { kubernetes: 'auto', serviceAddress, serviceAccount: account, home }, 'https://10.96.0.1:443'],
    [
      'an explicit file comes first',
      { kubernetes: 'auto', kubeconfig: file, serviceAddress, serviceAccount: account },
      'https://by-file:6443',
    ],
    ['an empty variable is unset', { kubernetes: 'auto', kubeconfig: '', serviceAccount: account }, undefined],
    ['outside of pods', { kubernetes: 'auto', serviceAccount: account }, undefined],
    ['a pod without an account', { kubernetes: 'auto', serviceAddress, serviceAccount: none }, undefined],
    ['never by the home folder', { kubernetes: 'auto', serviceAccount: none, home }, undefined],
    ['but when asked to', { kubernetes: 'on', serviceAccount: none, home }, 'https://by-home:6443'],
  ]
  for (const [name, settings, server] of cases) {
    const cluster = await findCluster(settings)
    t.equal(cluster && (await cluster.access()).server, server, name)
    if (cluster !== undefined) t.equal(cluster.inCluster, server === 'https://10.96.0.1:443')
  }
  const refusal = {
    name: 'ConfigError',
    exitCode: 2,
    message: /^cannot use ORB8_KUBERNETES: "on", but there is no cluster: no KUBECONFIG, no service account in /,
  }
  await t.rejects(findCluster({ kubernetes: 'on', serviceAccount: none, home: none }), refusal)
  await t.rejects(findCluster({ kubernetes: 'auto', kubeconfig: none }), { name: 'ConfigError', message: /none: there is no such file/ })
})
