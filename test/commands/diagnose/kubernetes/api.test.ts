import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { Finding } from '../../../../src/commands/diagnose/check.ts'
import { runChecks } from '../../../../src/commands/diagnose/check.ts'
import { type ApiSettings, type ApiWorld, kubernetesApi } from '../../../../src/commands/diagnose/kubernetes/api.ts'
import { ApiServer, type ApiServerOptions } from '../../../harness/api-server.ts'
import { Authority } from '../../../harness/authority.ts'
import { until } from '../../../harness/child.ts'
import { node, pod } from '../../../harness/kubernetes-objects.ts'
import { Undo } from '../../../harness/undo.ts'

const SETTINGS: ApiSettings = { kubernetes: 'auto', kubeconfig: [], nodeName: 'node-a', peers: 'auto' }
const SILENCE_MS = 300

interface Place {
  readonly api: ApiServer
  /** A kubeconfig that names the server. */
  readonly file: string
  readonly look: (settings?: Partial<ApiSettings>, world?: ApiWorld) => Promise<readonly Finding[]>
}

/** A cluster of one node with two pods. */
function place(body: (t: Test, place: Place) => Promise<void>, options: ApiServerOptions = {}): (t: Test) => Promise<void> {
  return async (t) => {
    const undo = new Undo()
    try {
      const api = await ApiServer.start(undo, options)
      api.put(node({ name: 'node-a' }), ...['web', 'db'].map((name) => pod({ name })), pod({ name: 'other', node: 'node-b' }))
      const file = kubeconfig(t, api.url)
      const look = (settings: Partial<ApiSettings> = {}, world: ApiWorld = {}) =>
        runChecks([kubernetesApi({ ...SETTINGS, kubeconfig: [file], ...settings }, { serviceAccount: '/nowhere', ...world }, SILENCE_MS)])
      await body(t, { api, file, look })
      t.same(api.refused, [], 'it asks for nothing that the role does not need')
    } finally {
      await undo.all()
    }
  }
}

function kubeconfig(t: Test, server: string, user: object = {}): string {
  const file = join(t.testdir({}), 'kubeconfig')
  const config = {
    ...{ apiVersion: 'v1', kind: 'Config', clusters: [{ name: 'c', cluster: { server } }], users: [{ name: 'u', user }] },
    ...{ contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }], 'current-context': 'x' },
  }
  writeFileSync(file, JSON.stringify(config))
  return file
}

const bad = (findings: readonly Finding[]) => findings.filter(({ status }) => status !== 'ok')

t.test(
  'a cluster that tells everything is well, and this node is known there with its pods',
  place(async (t, { api, file, look }) => {
    const fine = { status: 'ok', found: 'may be listed and watched', remedy: '' } as const
    t.strictSame(await look(), [
      { check: 'kubernetes', status: 'ok', found: `${api.url}, by ${file}, with no credentials`, remedy: '' },
      ...['pods', 'services', 'nodes'].map((resource) => ({ check: `kubernetes ${resource}`, ...fine })),
      { check: 'kubernetes node', status: 'ok', found: 'node-a is known, with 2 pods', remedy: '' },
    ])
    await until('no watch to be left', () => api.watching() === 0)
    const all = api.askedFor('list').filter(({ query }) => query.fieldSelector === undefined)
    t.strictSame(
      all.map(({ resource, query }) => [resource, query.limit]),
      [
        ['services', '1'],
        ['nodes', '1'],
      ],
      'no large list is asked for',
    )
  }),
)

for (const verb of ['list', 'watch'] as const)
  for (const resource of ['pods', 'services', 'nodes'])
    t.test(
      `a role without ${verb} on ${resource} is told by name`,
      place(async (t, { api, look }) => {
        const message = `${resource} is forbidden: User "system:serviceaccount:orb8:orb8" cannot ${verb} resource "${resource}"`
        api.plan({ verb, resource }, { kind: 'status', status: 403, reason: 'Forbidden', message }, 9)
        t.strictSame(bad(await look()), [
          {
            check: `kubernetes ${resource}`,
            status: 'fail',
            found: `${verb}: HTTP 403: ${message}`,
            remedy: `the role of this account needs ${verb} on ${resource}`,
          },
        ])
      }),
    )

t.test(
  'one that lacks both verbs is told both',
  place(async (t, { api, look }) => {
    api.plan({ resource: 'services' }, { kind: 'status', status: 403, message: 'no' }, 9)
    t.match(bad(await look()), [{ found: 'list: HTTP 403: no; watch: HTTP 403: no', remedy: /needs list and watch on services$/ }])
  }),
)

t.test(
  'without peers only pods are asked for',
  place(async (t, { api, look }) => {
    api.plan({ resource: 'services' }, { kind: 'status', status: 403 }, 9)
    api.plan({ resource: 'nodes' }, { kind: 'status', status: 403 }, 9)
    t.strictSame((await look({ peers: 'off' })).map(({ check, status, found }) => [check, status, found]).slice(1), [
      ['kubernetes pods', 'ok', 'may be listed and watched'],
      ['kubernetes node', 'ok', 'node-a, with 2 pods'],
    ])
  }),
)

t.test(
  'a name that no node has fails; one without pods is a warning',
  place(async (t, { api, look }) => {
    t.match(bad(await look({ nodeName: 'node-z' })), [
      { check: 'kubernetes node', status: 'fail', found: 'the cluster knows no node node-z', remedy: /NODE_NAME/ },
    ])
    api.put(node({ name: 'node-z' }))
    t.match(bad(await look({ nodeName: 'node-z' })), [
      { check: 'kubernetes node', status: 'warn', found: 'node-z is known, with 0 pods', remedy: /NODE_NAME/ },
    ])
  }),
)

t.test(
  'one that is not there, lets nobody in or says nothing is one finding',
  place(async (t, { api, look }) => {
    api.plan({}, { kind: 'status', status: 401, message: 'Unauthorized' }, 9)
    t.match(await look(), [
      { check: 'kubernetes', status: 'fail', found: `${api.url}, by `, remedy: /the token or certificate is not accepted/ },
    ])
    api.freeze()
    t.match(await look(), [{ check: 'kubernetes', status: 'fail', found: /: the server says nothing any more$/ }])
    await api.stop()
    t.match(await look(), [{ check: 'kubernetes', status: 'fail', found: /: connection refused$/, remedy: /is the API server up/ }])
  }),
)

t.test(
  'something else that answers there is told',
  place(async (t, { api, look }) => {
    api.plan({ verb: 'list' }, { kind: 'body', body: '<html>' }, 9)
    const [first] = bad(await look())
    t.match(first, { status: 'fail', found: /the answer is no list of Kubernetes/, remedy: /proxy/ })
  }),
)

t.test('in a pod the service account is used, whose secret is never shown', async (t) => {
  const undo = new Undo()
  try {
    const folder = t.testdir({})
    const ca = new Authority(folder)
    const api = await ApiServer.start(undo, { certificate: ca.server('server'), tokens: ['s3cret'] })
    api.put(node({ name: 'node-a' }), pod({ name: 'web' }))
    const serviceAccount = join(folder, 'account')
    mkdirSync(serviceAccount)
    writeFileSync(join(serviceAccount, 'ca.crt'), ca.cert)
    writeFileSync(join(serviceAccount, 'token'), 's3cret')
    const world = { serviceAccount, serviceAddress: { host: '127.0.0.1', port: `${api.port}` } }
    const findings = await runChecks([kubernetesApi(SETTINGS, world)])
    t.strictSame(bad(findings), [])
    t.match(findings[0], { found: `https://127.0.0.1:${api.port}, by the pod's service account, with a token` })
    writeFileSync(join(serviceAccount, 'token'), 'an0ther')
    const refused = await runChecks([kubernetesApi(SETTINGS, world)])
    t.match(refused, [{ status: 'fail', found: /HTTP 401/ }])
    t.notMatch(JSON.stringify([findings, refused]), /s3cret|an0ther/)
  } finally {
    await undo.all()
  }
})

t.test('where none is to be asked that is fine', async (t) => {
  const look = (settings: Partial<ApiSettings>) => kubernetesApi({ ...SETTINGS, ...settings }, { serviceAccount: '/nowhere' }).run()
  t.match(await look({}), [{ check: 'kubernetes', status: 'ok', found: /^not asked: no service account/ }])
  t.match(await look({ kubernetes: 'off', kubeconfig: ['/nowhere'] }), [{ status: 'ok', found: 'not asked: ORB8_KUBERNETES is off' }])
  const [on] = await runChecks([kubernetesApi({ ...SETTINGS, kubernetes: 'on' }, { serviceAccount: '/nowhere' })])
  t.match(on, { check: 'kubernetes', status: 'fail', found: /there is no cluster/, remedy: /set KUBECONFIG/ })
  const [file] = await runChecks([kubernetesApi({ ...SETTINGS, kubeconfig: ['/nowhere'] }, {})])
  t.match(file, { check: 'kubernetes', status: 'fail', found: /\/nowhere: there is no such file/ })
})
