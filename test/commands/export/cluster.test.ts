import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { type FollowedCluster, followCluster } from '../../../src/commands/export/cluster.ts'
import { loadConfig } from '../../../src/config.ts'
import { ConfigError } from '../../../src/errors.ts'
import { createLogger } from '../../../src/log.ts'
import type { ClusterNumbers } from '../../../src/publish/cluster-numbers.ts'
import { ApiServer } from '../../harness/api-server.ts'
import { until } from '../../harness/child.ts'
import { node, pod, resourceSlice, service } from '../../harness/kubernetes-objects.ts'
import { Undo } from '../../harness/undo.ts'

/** A cluster of two nodes, of which this is `node-a`. */
async function world(t: Test) {
  const undo = new Undo()
  t.teardown(() => undo.all())
  const folder = mkdtempSync(join(tmpdir(), 'orb8-test-cluster-'))
  const remove = (): void => rmSync(folder, { recursive: true })
  undo.add({ gently: remove, atOnce: remove })
  const api = await ApiServer.start(undo)
  api.put(node({ name: 'node-a' }), node({ name: 'node-b' }), service({ name: 'web' }))
  api.put(pod({ name: 'own', ip: '10.1.0.1' }), pod({ name: 'other', node: 'node-b', ip: '10.1.1.1' }))
  const kubeconfig = join(folder, 'kubeconfig')
  const clusters = [{ name: 'c', cluster: { server: api.url } }]
  const contexts = [{ name: 'x', context: { cluster: 'c', user: '' } }]
  writeFileSync(kubeconfig, JSON.stringify({ apiVersion: 'v1', kind: 'Config', clusters, contexts, 'current-context': 'x' }))
  const told: Record<string, boolean> = {}
  const kubernetes: ClusterNumbers = {
    connected(resource, is) {
      told[resource] = is
    },
    left(resource) {
      delete told[resource]
    },
    reconnected: () => undefined,
    synced: () => undefined,
    skipped: () => undefined,
    podsTracked: () => undefined,
  }
  const clock = { nowMs: 0 }
  const lines: string[] = []
  const follow = async (env: Readonly<Record<string, string>> = {}): Promise<FollowedCluster> => {
    const { config } = await loadConfig({ env: { KUBECONFIG: kubeconfig, NODE_NAME: 'node-a', ...env } })
    const rest = {
      log: createLogger('warn', { write: (line: string) => lines.push(line) }),
      self: { kubernetes },
      partialRoot: false,
      handedBack: () => undefined,
    }
    const cluster = await followCluster(config, { ...rest, nowMs: () => clock.nowMs })
    const end = async (): Promise<void> => cluster[Symbol.asyncDispose]()
    undo.add({ gently: end, atOnce: () => undefined })
    return cluster
  }
  return { api, told, clock, lines, follow }
}

t.test('of a small cluster all pods are followed, and the names are there when it says so', async (t) => {
  const { api, told, follow } = await world(t)
  const { names, firstNames, ready } = await follow()
  t.notOk(ready())
  await firstNames()
  t.ok(names.synced)
  t.ok(ready())
  t.match(names.counts(), { ownPods: 1, peerPods: 2, services: 1, nodes: 2 })
  await until('watches', () => api.watching() === 4)
  t.same(told, { pods: true, peers: true, services: true, nodes: true })
  t.same(api.refused, [])
})

t.test('of a cluster that grows beyond 220 nodes only its own, and all again once it has shrunk', async (t) => {
  const { api, told, follow } = await world(t)
  const { names } = await follow()
  await until('watches', () => api.watching() === 4)
  const more = Array.from({ length: 219 }, (_, index) => node({ name: `more-${index}` }))
  api.put(...more)
  await until('the watch to end', () => api.watching() === 3)
  t.equal(names.scope, 'services')
  t.equal(names.counts().peerPods, 0)
  await until('it to be told', () => !('peers' in told))
  api.remove(...more.slice(0, 60))
  await until('another', () => api.watching() === 4)
  await until('all pods', () => names.counts().peerPods === 2)
  t.equal(names.scope, 'cluster')
})

for (const [peers, resources] of [
  ['services', ['nodes', 'pods', 'services']],
  ['off', ['pods']],
] as const) {
  t.test(`with ORB8_PEERS=${peers} nothing else is asked for`, async (t) => {
    const { api, follow } = await world(t)
    const { firstNames, names } = await follow({ ORB8_PEERS: peers })
    await firstNames()
    t.ok(names.synced)
    await until('watches', () => api.watching() === resources.length)
    t.same([...new Set(api.asked.map(({ resource }) => resource))].sort(), resources)
    t.ok(api.askedFor('list', 'pods').every(({ query }) => query.fieldSelector === 'spec.nodeName=node-a'))
  })
}

t.test('a server that says nothing is waited for, for a while', async (t) => {
  const { api, clock, follow } = await world(t)
  api.plan({ verb: 'list' }, { kind: 'hang' }, 10)
  const { firstNames, ready, names } = await follow()
  const first = firstNames()
  t.notOk(ready())
  clock.nowMs = 4000
  await first
  t.notOk(names.synced)
  clock.nowMs = 29_999
  t.notOk(ready())
  clock.nowMs = 30_000
  t.ok(ready())
})

t.test('without an API server all is ready at once', async (t) => {
  const { api, follow } = await world(t)
  const { ready, firstNames, names } = await follow({ ORB8_KUBERNETES: 'off' })
  t.ok(ready())
  await firstNames()
  t.equal(names.cluster, undefined)
  t.same(api.asked, [])
})

t.test('a node of which the cluster knows no pod is told of', async (t) => {
  const { lines, follow } = await world(t)
  await (await follow()).firstNames()
  t.same(lines, [])
  await (await follow({ NODE_NAME: 'node-z' })).firstNames()
  t.match(lines.join(''), /"nodeName":"node-z".*is NODE_NAME right/)
})

t.test('a kubeconfig that cannot be used ends the start', async (t) => {
  const { follow } = await world(t)
  await t.rejects(follow({ KUBECONFIG: '/nowhere/at/all' }), ConfigError)
})

t.test("this node's ResourceSlices are followed once a GPU by a claim is asked for", async (t) => {
  const { api, told, follow } = await world(t)
  const slice = (node: string, uuid: string) => resourceSlice({ node, devices: { 'gpu-0': { uuid } } })
  api.put(slice('node-a', 'GPU-a'), slice('node-b', 'GPU-b'))
  const { names, firstNames } = await follow()
  await firstNames()
  t.notOk('resourceslices' in told)
  t.equal(names.draUuid('node-a', 'gpu-0'), undefined, 'not yet')
  await until('the slice', () => names.draUuid('node-a', 'gpu-0') === 'GPU-a')
  t.equal(names.draUuid('node-b', 'gpu-0'), undefined)
  await until('the watch', () => told.resourceslices === true)
  t.same(api.refused, [])
})
