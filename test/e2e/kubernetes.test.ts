// Flows of pods by name, at both ends: against an API server of the tests' own, with cgroups as runtimes lay them out and real traffic.
import t from 'tap'
import { KubeNode, type Layout, NODE, NODE_ADDRESS } from '../harness/kube-node.ts'
import { node, pod, service } from '../harness/kubernetes-objects.ts'
import { attributed, namedFlows } from '../harness/named-flows.ts'
import { onSite } from '../harness/site.ts'
import { connect, exchange, VISIT, visit } from '../harness/streams.ts'

const WEB = {
  namespace: 'shop',
  labels: { 'pod-template-hash': '7d4b9c6f5d' },
  owner: { kind: 'ReplicaSet', name: 'web-7d4b9c6f5d' },
} as const
const DATABASE = { namespace: 'data', owner: { kind: 'StatefulSet', name: 'postgres' } } as const

const LAYOUTS: readonly Layout[] = ['systemd containerd', 'systemd cri-o', 'systemd docker', 'cgroupfs containerd', 'cgroupfs cri-o']

t.test(
  'a Deployment’s pod and a StatefulSet’s on one node are named at both ends, in every layout of cgroups',
  onSite(async (t, site) => {
    const kube = await KubeNode.make(site)
    const exporter = await site.exporter(kube.options())
    const database = kube.run({ ...DATABASE, name: 'postgres-0', ip: '10.244.1.9', containers: [{ name: 'db' }] })
    const wanted: Record<string, { sent: number; received: number }> = {}
    for (const [index, layout] of LAYOUTS.entries()) {
      const name = `web-7d4b9c6f5d-x${index}`
      const web = kube.run({ ...WEB, name, ip: `10.244.1.${10 + index}` }, layout)
      await connect(database.agent, web.agent, { at: '10.244.1.9' })
      await exchange(database.agent, web.agent, 1000 + index, 50)
      wanted[`shop/${name}/app Deployment/web client pod data/postgres eu-1a`] = { sent: 1000 + index, received: 50 }
      await database.agent.each('close s', 'close l')
    }
    t.same(await exporter.settled(wanted, (scrape) => namedFlows(scrape, { namespace: 'shop' })), wanted)
    const served = { 'data/postgres-0/db StatefulSet/postgres server pod shop/web eu-1a': { sent: 250, received: 5010 } }
    t.same(namedFlows(await exporter.scrape(), { namespace: 'data' }), served)
    t.same(kube.api.refused, [], 'a role with get, list and watch on pods, services and nodes is enough')
    t.same([...new Set(kube.api.asked.map(({ verb, resource }) => `${verb} ${resource}`))].sort(), [
      ...['list nodes', 'list pods', 'list services', 'watch nodes', 'watch pods', 'watch services'],
    ])
    t.match(
      kube.api.asked.map(({ query }) => query.fieldSelector ?? ''),
      ['spec.nodeName=node-a'],
    )
  }),
)

t.test(
  'pods of other nodes, other nodes, this node and unknown addresses, seen from a pod',
  onSite(async (t, site) => {
    const kube = await KubeNode.make(site)
    const addresses = [{ type: 'InternalIP', address: '10.250.0.2' }] as const
    kube.api.put(node({ name: 'node-b', zone: 'eu-1b', podCidrs: ['10.244.2.0/24'], addresses }))
    kube.api.put(pod({ ...DATABASE, name: 'postgres-1', node: 'node-b', ip: '10.244.2.7' }))
    const exporter = await site.exporter(kube.options({ env: { ORB8_PEER_NODES: 'true' } }))
    const web = kube.run({ ...WEB, name: 'web-7d4b9c6f5d-aaaaa', ip: '10.244.1.10' })
    const afar = site.agent({ namespace: kube.attach('afar', '10.244.2.7', '10.250.0.2', '10.244.2.99', '10.99.0.1') })
    const here = site.agent({ namespace: kube.network })
    const peers = {
      '10.244.2.7': 'pod data/postgres eu-1b',
      '10.250.0.2': 'node node-b eu-1b',
      '10.244.2.99': 'pod eu-1b',
      '10.99.0.1': 'external',
      [NODE_ADDRESS]: 'node node-a eu-1a',
    }
    for (const at of Object.keys(peers)) await visit(at === NODE_ADDRESS ? here : afar, web.agent, at)
    const me = 'shop/web-7d4b9c6f5d-aaaaa/app Deployment/web client'
    const wanted = Object.fromEntries(Object.values(peers).map((peer) => [`${me} ${peer}`, VISIT]))
    t.same(await exporter.settled(wanted, (scrape) => namedFlows(scrape, { namespace: 'shop' })), wanted)
  }),
)

t.test(
  'Services by ClusterIP, node port and load balancer at the client are pods at the server; a headless one is its pods',
  onSite(async (t, site) => {
    const kube = await KubeNode.make(site)
    const exporter = await site.exporter(kube.options())
    const web = kube.run({ ...WEB, name: 'web-7d4b9c6f5d-aaaaa', ip: '10.244.1.10' })
    // What translates addresses on a real node is left out: the server has them all.
    const database = kube.run({ ...DATABASE, name: 'postgres-0', ips: ['10.244.1.9', '10.96.0.7', '10.200.0.1'] })
    kube.api.put(pod({ ...DATABASE, name: 'postgres-0', node: NODE, ip: '10.244.1.9' }))
    const behind = site.agent({ namespace: kube.network })
    await behind.each('socket l 4 tcp', `bind l ${NODE_ADDRESS} 0`)
    const { port: nodePort } = await behind.say('listen l')
    kube.api.put(
      service({ name: 'db', namespace: 'data', clusterIp: '10.96.0.7' }),
      service({ name: 'db-headless', namespace: 'data', clusterIp: 'None' }),
      service({ name: 'db-outside', namespace: 'data', type: 'LoadBalancer', clusterIp: '10.96.0.8', ingress: [{ ip: '10.200.0.1' }] }),
      service({ name: 'db-node', namespace: 'data', type: 'NodePort', clusterIp: '10.96.0.9', ports: [{ port: 5432, nodePort }] }),
    )
    for (const at of ['10.244.1.9', '10.96.0.7', '10.200.0.1']) await visit(database.agent, web.agent, at)
    await web.agent.each('socket c 4 tcp', `connect c ${NODE_ADDRESS} ${nodePort}`)
    await behind.say('accept l s')
    await exchange(behind, web.agent, 100, 7)
    const me = 'shop/web-7d4b9c6f5d-aaaaa/app Deployment/web client'
    const wanted = {
      [`${me} pod data/postgres eu-1a`]: VISIT,
      [`${me} service data/db`]: VISIT,
      [`${me} service data/db-outside`]: VISIT,
      [`${me} service data/db-node`]: VISIT,
    }
    t.same(await exporter.settled(wanted, (scrape) => namedFlows(scrape, { namespace: 'shop' })), wanted)
    t.same(namedFlows(await exporter.scrape(), { namespace: 'data' }), {
      'data/postgres-0/app StatefulSet/postgres server pod shop/web eu-1a': { sent: 21, received: 300 },
    })
  }),
)

t.test(
  'two pods on the network of their nodes are told apart by their cgroups, and are nodes to each other',
  onSite(async (t, site) => {
    const kube = await KubeNode.make(site)
    const exporter = await site.exporter(kube.options())
    const [one, two] = ['one', 'two'].map((name) => kube.run({ name, namespace: 'kube-system', hostNetwork: true, hostIp: NODE_ADDRESS }))
    const other = kube.run({ ...WEB, name: 'web-7d4b9c6f5d-aaaaa', ip: '10.244.1.10' })
    if (one === undefined || two === undefined) throw new Error('there are two')
    await visit(one.agent, other.agent, NODE_ADDRESS)
    await visit(two.agent, other.agent, NODE_ADDRESS)
    await visit(two.agent, one.agent, NODE_ADDRESS)
    const system = {
      'kube-system/one/app Pod/one server pod shop/web eu-1a': { sent: 7, received: 100 },
      'kube-system/one/app Pod/one client loopback': VISIT,
      'kube-system/two/app Pod/two server pod shop/web eu-1a': { sent: 7, received: 100 },
      'kube-system/two/app Pod/two server loopback': { sent: 7, received: 100 },
    }
    t.same(await exporter.settled(system, (scrape) => namedFlows(scrape, { namespace: 'kube-system' })), system)
    t.same(namedFlows(await exporter.scrape(), { namespace: 'shop' }), {
      'shop/web-7d4b9c6f5d-aaaaa/app Deployment/web client node eu-1a': { sent: 200, received: 14 },
    })
  }),
)

t.test(
  'where every socket is of the root’s cgroup, pods are found by their address',
  onSite(async (t, site) => {
    const kube = await KubeNode.make(site)
    const exporter = await site.exporter(kube.options())
    const before = attributed(await exporter.scrape())
    const placed = kube.place({ ...WEB, name: 'web-7d4b9c6f5d-aaaaa', ip: '10.244.1.10' })
    kube.api.put(placed.object, pod({ ...DATABASE, name: 'postgres-0', node: NODE, ip: '10.244.1.9' }))
    const web = site.agent({ namespace: placed.namespace })
    const database = site.agent({ namespace: kube.attach('db', '10.244.1.9') })
    await visit(database, web, '10.244.1.9')
    const shop = { 'shop/web-7d4b9c6f5d-aaaaa Deployment/web client pod data/postgres eu-1a': VISIT }
    t.same(await exporter.settled(shop, (scrape) => namedFlows(scrape, { namespace: 'shop' })), shop)
    const last = await exporter.scrape()
    t.same(namedFlows(last, { namespace: 'data' }), {
      'data/postgres-0 StatefulSet/postgres server pod shop/web eu-1a': { sent: 7, received: 100 },
    })
    t.equal((attributed(last).pod_ip ?? 0) - (before.pod_ip ?? 0), 214)
    t.equal((attributed(last).cgroup ?? 0) - (before.cgroup ?? 0), 0)
  }),
)
