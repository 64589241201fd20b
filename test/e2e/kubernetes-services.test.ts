// A Service by its cluster address, translated on the way as real nodes do it: by a program that rewrites what sockets dial, and by NAT in
// the node's network. The client's peer is the Service, the server's the client's pod.
import t from 'tap'
import { type Balancer, startBalancer } from '../harness/balancer.ts'
import { KubeNode, NODE_ADDRESS, type PlacedPod } from '../harness/kube-node.ts'
import { service } from '../harness/kubernetes-objects.ts'
import { namedFlows } from '../harness/named-flows.ts'
import { has, type Namespace } from '../harness/namespaces.ts'
import { onSite, type Site } from '../harness/site.ts'
import { exchange } from '../harness/streams.ts'
import type { Agent } from '../harness/traffic.ts'

const NODE_ADDRESS_6 = 'fd00:250::1'
const WEB = { ips: ['10.244.1.10', 'fd00:244:1::10'], owner: { kind: 'ReplicaSet', name: 'web-7d4b9c6f5d' } } as const
const DATABASE = { ips: ['10.244.1.9', 'fd00:244:1::9'], owner: { kind: 'StatefulSet', name: 'postgres' } } as const
const SERVICE = ['10.96.0.7', 'fd00:96::7'] as const
const [PORT, BACKEND_PORT] = [80, 8080]

interface Cluster {
  readonly kube: KubeNode
  readonly web: PlacedPod
  readonly database: PlacedPod
}

/** What is dialled on the way out of a pod is sent to the node, which sends it to the other pod, and the answers back. */
function viaNode({ namespace }: PlacedPod, ...destinations: readonly string[]): void {
  for (const to of destinations) {
    const [family, node] = to.includes(':') ? ['-6', NODE_ADDRESS_6] : ['-4', NODE_ADDRESS]
    namespace.run('ip', family, 'route', 'add', to, 'via', node)
  }
  // The node would tell of a shorter way, past itself.
  for (const name of ['ipv4.conf.all', 'ipv4.conf.eth0', 'ipv6.conf.eth0']) namespace.sysctl(`net.${name}.accept_redirects`, '0')
}

function translate(network: Namespace): Balancer['balance'] {
  network.address(`${NODE_ADDRESS_6}/8`, 'br0')
  for (const name of ['ipv4.ip_forward', 'ipv6.conf.all.forwarding']) network.sysctl(`net.${name}`, '1')
  network.run('nft', 'add table inet o8; add chain inet o8 services { type nat hook prerouting priority -100; }')
  return ([to, port], [backend, at]) => {
    const [ip, there] = to.includes(':') ? ['ip6', `[${backend}]`] : ['ip', backend]
    for (const protocol of ['tcp', 'udp'])
      network.run('nft', `add rule inet o8 services ${ip} daddr ${to} ${protocol} dport ${port} dnat ${ip} to ${there}:${at}`)
  }
}

const WAYS = [
  {
    name: 'a program at the root of the cgroups that rewrites what is dialled',
    skip: false,
    begin: (site: Site) => startBalancer(site.undo).balance,
  },
  {
    name: 'NAT in the node’s network',
    skip: has('nft') ? false : 'no nft',
    begin(_: Site, { kube, web, database }: Cluster) {
      viaNode(web, ...SERVICE)
      viaNode(database, ...WEB.ips)
      return translate(kube.network)
    },
  },
] as const

/** TCP and UDP: 200 bytes up, 7 down. */
async function use(server: Agent, client: Agent, dialled: string, backend: string): Promise<void> {
  const family = dialled.includes(':') ? 6 : 4
  await server.each(`socket l ${family} tcp`, `bind l ${backend} ${BACKEND_PORT}`, 'listen l')
  await client.each(`socket c ${family} tcp`, `connect c ${dialled} ${PORT}`)
  await server.say('accept l s')
  await exchange(server, client, 100, 7)
  await client.say('close c')
  await server.each('close s', 'close l', `socket u ${family} udp`, `bind u ${backend} ${BACKEND_PORT}`)
  await client.each(`socket u ${family} udp`, `sendto u ${dialled} ${PORT} 50 2`)
  await server.each('recv u 2', 'close u')
  await client.say('close u')
}

for (const { name, skip, begin } of WAYS)
  t.test(
    `cluster addresses of both families under ${name}: the Service at the client, the pod at the server`,
    { skip },
    onSite(async (t, site) => {
      const kube = await KubeNode.make(site)
      const around = site.cgroup('node')
      const place = (options: Parameters<KubeNode['place']>[0]) => kube.place(options, 'systemd containerd', around)
      const labels = { 'pod-template-hash': '7d4b9c6f5d' }
      const web = place({ ...WEB, name: 'web-7d4b9c6f5d-aaaaa', namespace: 'shop', labels })
      const database = place({ ...DATABASE, name: 'postgres-0', namespace: 'data' })
      kube.api.put(web.object, database.object, service({ name: 'db', namespace: 'data', clusterIp: SERVICE[0], clusterIps: SERVICE }))
      const [client, server] = [kube.agent(web), kube.agent(database)]
      const balance = begin(site, { kube, web, database })
      for (const [index, to] of SERVICE.entries()) balance([to, PORT], [DATABASE.ips[index] as string, BACKEND_PORT])
      const exporter = await site.exporter(kube.options({ args: ['--cgroup-root', around.directory] }))
      for (const [index, to] of SERVICE.entries()) await use(server, client, to, DATABASE.ips[index] as string)
      const wanted = { 'shop/web-7d4b9c6f5d-aaaaa/app Deployment/web client service data/db': { sent: 400, received: 14 } }
      t.same(await exporter.settled(wanted, (scrape) => namedFlows(scrape, { namespace: 'shop' })), wanted)
      t.same(namedFlows(await exporter.scrape(), { namespace: 'data' }), {
        'data/postgres-0/app StatefulSet/postgres server pod shop/web eu-1a': { sent: 14, received: 400 },
      })
      t.same(kube.api.refused, [])
    }),
  )
