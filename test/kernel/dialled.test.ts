// What a client dialled is its peer, also where another program, or NAT, sends it somewhere else.
import t from 'tap'
import { CONNECT_FAILURES } from '../../src/metrics.ts'
import { type Balancer, type End, startBalancer } from '../harness/balancer.ts'
import { run } from '../harness/child.ts'
import { HealthSeen, samples } from '../harness/health.ts'
import { has } from '../harness/namespaces.ts'
import { Counted, HOSTS, makePods, type Pods, startBelow } from '../harness/pods.ts'
import { onSite, type Site } from '../harness/site.ts'
import { close, connect, exchange } from '../harness/streams.ts'

const TCP = ['sentBytes', 'receivedBytes', 'opened', 'closed'] as const
const UDP = ['sentBytes', 'receivedBytes', 'sentPackets', 'receivedPackets'] as const
const SERVICE4 = '10.96.77.10'
const SERVICE6 = 'fd96::77:10'

const tcp = (sentBytes: number, receivedBytes: number) => ({ sentBytes, receivedBytes, opened: 1, closed: 1 })
const udp = (sentPackets: number, sentBytes: number, receivedPackets: number, receivedBytes: number) => ({
  sentBytes,
  receivedBytes,
  sentPackets,
  receivedPackets,
})

/** What is dialled, which Service that is, its backend, and where the server sees the client. */
const FAMILIES = [
  { name: 'IPv4', dialled: SERVICE4, service: SERVICE4, backend: HOSTS.server[0], from: HOSTS.client[0], family: 4 },
  { name: 'IPv6', dialled: SERVICE6, service: SERVICE6, backend: HOSTS.server[1], from: HOSTS.client[1], family: 6 },
  { name: 'an IPv4-mapped address', dialled: `::ffff:${SERVICE4}`, service: SERVICE4, backend: HOSTS.server[0], from: HOSTS.client[0], family: 6 },
] as const

/** Two ways of sending what is dialled somewhere else. */
const WAYS = [
  {
    name: 'a program at the root',
    skip: false,
    begin(site: Site, _: Pods): Balancer['balance'] {
      return startBalancer(site.undo).balance
    },
  },
  {
    name: 'NAT',
    skip: has('nft') ? false : 'no nft',
    begin(site: Site, { namespaces }: Pods): Balancer['balance'] {
      startBalancer(site.undo) // observers are there only where somebody may rewrite
      const { client } = namespaces
      const inClient = (...words: string[]): unknown => run('ip', '-n', client.name, ...words)
      inClient('route', 'add', '10.96.0.0/16', 'via', HOSTS.server[0])
      inClient('-6', 'route', 'add', 'fd96::/64', 'via', HOSTS.server[1])
      client.run('nft', 'add table inet o8; add chain inet o8 out { type nat hook output priority -100; }')
      return ([to, port]: End, [backend, at]: End) => {
        const [ip, there] = to.includes(':') ? ['ip6', `[${backend}]`] : ['ip', backend]
        for (const protocol of ['tcp', 'udp']) {
          client.run('nft', `add rule inet o8 out ${ip} daddr ${to} ${protocol} dport ${port} dnat ${ip} to ${there}:${at}`)
        }
      }
    },
  },
] as const

for (const { name: way, skip, begin } of WAYS) {
  for (const { name, dialled, service, backend, from, family } of FAMILIES) {
    t.test(
      `TCP to a Service over ${name}, sent elsewhere by ${way}: one row at each end, the client's under the Service`,
      { skip },
      onSite(async (t, site) => {
        const pods = makePods(site)
        const balance = begin(site, pods)
        await using datapath = await startBelow(pods)
        datapath.followDials()
        const counted = new Counted(datapath)
        const { server, client, cgroups } = pods
        await server.each(`socket l ${family === 6 && !dialled.includes('.') ? 6 : 4} tcp`, `bind l ${backend} 8080`, 'listen l')
        balance([service, 80], [backend, 8080])
        await client.each(`socket c ${family} tcp`, `connect c ${dialled} 80`)
        await server.say('accept l s')
        await exchange(server, client, 1234, 567)
        await counted.collect()
        t.same(counted.of(cgroups.client, 'sentBytes', 'opened'), { [`client 6 80 ${service}`]: { sentBytes: 1234, opened: 1 } }, 'open')
        await exchange(server, client, 1, 1)
        await close(server, client)
        await counted.collect()
        t.same(counted.of(cgroups.client, 'sentBytes', 'closed'), { [`client 6 80 ${service}`]: { sentBytes: 1, closed: 1 } }, 'closed')
        t.same(counted.of(cgroups.server, 'sentBytes', 'closed'), { [`server 6 8080 ${from}`]: { sentBytes: 1, closed: 1 } })
      }),
    )

    t.test(
      `UDP to a Service over ${name}, sent elsewhere by ${way}: connected and not, answers too are under the Service`,
      { skip },
      onSite(async (t, site) => {
        const pods = makePods(site)
        const balance = begin(site, pods)
        await using datapath = await startBelow(pods)
        datapath.followDials()
        const counted = new Counted(datapath)
        const { server, client, cgroups } = pods
        const serverFamily = family === 6 && !dialled.includes('.') ? 6 : 4
        await server.each(`socket s ${serverFamily} udp`, `bind s ${backend} 5353`)
        await server.each(`socket r ${serverFamily} udp`, `bind r ${backend} 5354`)
        balance([service, 53], [backend, 5353])
        balance([service, 54], [backend, 5354])

        await client.each(`socket c ${family} udp`, `connect c ${dialled} 53`, 'send c 100 3')
        const { peerPort } = await server.say('recv s 3')
        await server.say(`sendto s ${from} ${peerPort} 10 2`)
        t.equal((await client.say('recv c 2')).bytes, 20)
        await counted.collect()
        const row = udp(3, 300, 2, 20)
        t.same(counted.of(cgroups.client, ...UDP), { [`client 17 53 ${service}`]: row }, 'connected')

        await client.each(`socket u ${family} udp`, `sendto u ${dialled} 53 100 3`, `sendto u ${dialled} 54 1000 1`)
        for (const [name, count] of [['s', 3], ['r', 1]] as const) {
          const { peerPort: at } = await server.say(`recv ${name} ${count}`)
          await server.say(`sendto ${name} ${from} ${at} 10 2`)
        }
        t.equal((await client.say('recv u 4')).bytes, 40)
        await counted.collect()
        const rows = { [`client 17 53 ${service}`]: row, [`client 17 54 ${service}`]: udp(1, 1000, 2, 20) }
        t.same(counted.of(cgroups.client, ...UDP), rows, 'unconnected, two Services by one socket')
        t.same(Object.keys(counted.of(cgroups.server, ...UDP)).sort(), [`server 17 5353 ${from}`, `server 17 5354 ${from}`])
      }),
    )
  }
}
void TCP
void tcp
void HealthSeen
void samples
void CONNECT_FAILURES
void connect
