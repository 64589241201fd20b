// Echo requests and raw protocols belong to the sockets that applications made; what the kernel answers by itself to nobody.
import t from 'tap'
import { twoEnds } from '../harness/ends.ts'
import { matching, sum } from '../harness/exposition.ts'
import type { Row } from '../harness/flows.ts'
import { type Namespace, wire } from '../harness/namespaces.ts'
import { onSite, type Site } from '../harness/site.ts'

const row = (sentPackets: number, sent: number, receivedPackets = 0, received = 0): Row => ({
  sent,
  received,
  sentPackets,
  receivedPackets,
})

function twoHosts(site: Site): { clientIn: Namespace; serverIn: Namespace } {
  const [clientIn, serverIn] = [site.namespace('client'), site.namespace('server')]
  wire(clientIn, serverIn, [
    ['10.11.0.1/24', '10.11.0.2/24'],
    ['fd11::1/64', 'fd11::2/64'],
  ])
  for (const host of [clientIn, serverIn]) host.sysctl('net.ipv4.ping_group_range', '0 2147483647')
  return { clientIn, serverIn }
}

for (const [family, protocol, far, near] of [
  [4, 'icmp', '10.11.0.2', '127.0.0.1'],
  [6, 'icmp6', 'fd11::2', '::1'],
] as const) {
  t.test(
    `a ping socket’s requests and replies over ${protocol} are counted at it, the kernel’s replies at nobody`,
    onSite(async (t, site) => {
      const { client, exporter, flows } = await twoEnds(t, site, twoHosts(site))
      await client.say(`socket p ${family} ping`)
      t.match(await client.say(`ping p ${far} 56 3`), { sent: 3, replies: 3, others: 0 })
      t.match(await client.say(`ping p ${near} 1000 2`), { sent: 2, replies: 2, others: 0 })
      await flows(
        {},
        { [`unknown ${protocol} 0 external`]: row(3, 168, 3, 168), [`unknown ${protocol} 0 loopback`]: row(2, 2000, 2, 2000) },
        'data without headers',
      )
      const all = sum(await exporter.scrape(), 'orb8_flow_bytes_total', { protocol })
      t.equal(all, 2 * (168 + 2000), 'nobody else has any')
    }),
  )

  t.test(
    `a raw socket’s requests and replies over ${protocol} are counted at it`,
    onSite(async (t, site) => {
      const { client, flows } = await twoEnds(t, site, twoHosts(site))
      // Finding the neighbour would reach a raw ICMPv6 socket too: let it be over.
      await client.each(`socket p ${family} ping`, `ping p ${far} 0 1`, 'close p')
      await client.say(`socket r ${family} raw ${family === 4 ? 1 : 58}`)
      const { others } = await client.say(`ping r ${far} 100 4`)
      // What it gets later is received as well: neighbours are asked for now and then.
      await client.say('close r')
      t.equal(others, 0, 'the socket saw nothing else')
      await flows({}, { [`unknown ${protocol} 0 external`]: row(5, 400, 5, 400) }, 'data without headers')
    }),
  )
}

t.test(
  'a protocol of one’s own over raw sockets is told by its number',
  onSite(async (t, site) => {
    const { server, client, cgroups, exporter } = await twoEnds(t, site, twoHosts(site))
    await server.each('socket s 4 raw 253', 'bind s 10.11.0.2 0')
    await client.each('socket c 4 raw 253', 'sendto c 10.11.0.2 0 700 3')
    // A raw socket reads the IP header too.
    t.equal((await server.say('recv s 3')).bytes, 3 * 720)
    const read = (scrape: Parameters<typeof sum>[0]) => ({
      sent: sum(scrape, 'orb8_flow_bytes_total', { workload: cgroups.client.workload, protocol: '253', direction: 'egress' }),
      received: sum(scrape, 'orb8_flow_bytes_total', { workload: cgroups.server.workload, protocol: '253', direction: 'ingress' }),
    })
    const wanted = { sent: 2100, received: 2100 }
    t.same(await exporter.settled(wanted, read), wanted)
    t.equal(matching(await exporter.scrape(), 'orb8_flow_bytes_total', { protocol: '253' }).length, 4, 'a row at each end')
  }),
)
