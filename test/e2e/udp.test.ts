// Datagrams, at both ends and both ways, equal what the applications sent and what reached their sockets.
import t from 'tap'
import { expectRows, twoEnds } from '../harness/ends.ts'
import { bytesOf, flowsOf, type Row } from '../harness/flows.ts'
import { type Namespace, wire } from '../harness/namespaces.ts'
import { onSite, type Site } from '../harness/site.ts'
import type { Agent } from '../harness/traffic.ts'

const SERVER = '10.11.0.2'

const row = (sentPackets: number, sent: number, receivedPackets = 0, received = 0): Row => ({
  sent,
  received,
  sentPackets,
  receivedPackets,
})
const turned = ({ sent, received, sentPackets = 0, receivedPackets = 0 }: Row): Row => row(receivedPackets, received, sentPackets, sent)

function twoHosts(site: Site): { clientIn: Namespace; serverIn: Namespace } {
  const [clientIn, serverIn] = [site.namespace('client'), site.namespace('server')]
  wire(clientIn, serverIn, [
    ['10.11.0.1/24', `${SERVER}/24`],
    ['fd11::1/64', 'fd11::2/64'],
  ])
  return { clientIn, serverIn }
}

/** A socket `s` that waits on a port of its own; the port. */
async function serve(server: Agent, at: string, port = 0, family = at.includes(':') ? 6 : 4): Promise<number> {
  await server.say(`socket s ${family} udp`)
  return (await server.say(`bind s ${at} ${port}`)).port
}

/** A port that nobody has now: bind() must name one for its socket to be a server's. */
async function freePort(agent: Agent, at: string): Promise<number> {
  await agent.say(`socket probe ${at.includes(':') ? 6 : 4} udp`)
  const { port } = await agent.say(`bind probe ${at} 0`)
  await agent.say('close probe')
  return port
}

for (const [what, at, to, family] of [
  ['over IPv4', '127.0.0.1', '127.0.0.1', 4],
  ['over IPv6', '::1', '::1', 6],
  ['to an IPv4-mapped address from an IPv6 socket', '127.0.0.1', '::ffff:127.0.0.1', 6],
] as const) {
  t.test(
    `unconnected and connected ${what}: requests and answers, also empty ones`,
    onSite(async (t, site) => {
      const { server, client, flows } = await twoEnds(t, site)
      const port = await serve(server, at, await freePort(server, at))
      await client.say(`socket c ${family} udp`)
      for (const [size, count] of [
        [700, 3],
        [0, 2],
        [9000, 1],
      ] as const) {
        await client.say(`sendto c ${to} ${port} ${size} ${count}`)
        const got = await server.say(`recv s ${count}`)
        t.equal(got.bytes, size * count)
        await server.say(`sendto s ${at} ${got.peerPort} 11 2`)
        t.equal((await client.say('recv c 2')).bytes, 22)
      }
      await client.each(`connect c ${to} ${port}`, 'send c 33 10')
      await server.say('recv s 10')
      const rows = row(16, 11_430, 6, 66)
      await flows({ [`server udp ${port} loopback`]: turned(rows) }, { [`client udp ${port} loopback`]: rows }, 'both ends')
    }),
  )
}

t.test(
  'a batch sent by one call (UDP_SEGMENT) counts its datagrams, whether they arrive one by one or together (UDP_GRO)',
  onSite(async (t, site) => {
    const { server, client, flows } = await twoEnds(t, site, twoHosts(site))
    const [single, together] = [await serve(server, SERVER, 5001), 5002]
    await server.each('socket g 4 udp', 'option g gro 1', `bind g ${SERVER} ${together}`)
    await client.each('socket c 4 udp', 'option c segment 1000')
    // Ten whole ones and a rest, each time.
    await client.each(`sendto c ${SERVER} ${single} 10300 4`, `sendto c ${SERVER} ${together} 10300 4`)
    t.match(await server.say('recv s 44'), { datagrams: 44, bytes: 41_200, calls: 44 })
    t.match(await server.say('recv g 44'), { datagrams: 44, bytes: 41_200 })
    await flows(
      { [`server udp ${single} external`]: row(0, 0, 44, 41_200), [`server udp ${together} external`]: row(0, 0, 44, 41_200) },
      { [`client udp ${single} external`]: row(44, 41_200), [`client udp ${together} external`]: row(44, 41_200) },
      'on the wire they are 44 each',
    )
  }),
)

t.test(
  'a batch sent over loopback counts its datagrams at both ends',
  onSite(async (t, site) => {
    const { server, client, flows } = await twoEnds(t, site)
    const port = await serve(server, '127.0.0.1', await freePort(server, '127.0.0.1'))
    await client.each('socket c 4 udp', 'option c segment 500', `connect c 127.0.0.1 ${port}`, 'send c 5001 3')
    t.match(await server.say('recv s 33'), { datagrams: 33, bytes: 15_003 })
    await flows({ [`server udp ${port} loopback`]: row(0, 0, 33, 15_003) }, { [`client udp ${port} loopback`]: row(33, 15_003) }, '')
  }),
)

for (const [family, at] of [
  ['IPv4', SERVER],
  ['IPv6', 'fd11::2'],
] as const) {
  t.test(
    `a datagram too large for a frame counts once, in fragments over ${family}`,
    onSite(async (t, site) => {
      const { server, client, flows } = await twoEnds(t, site, twoHosts(site))
      const port = await serve(server, at, 5001)
      await client.each(`socket c ${family === 'IPv4' ? 4 : 6} udp`, `sendto c ${at} ${port} 20001 3`)
      t.match(await server.say('recv s 3'), { datagrams: 3, bytes: 60_003 })
      await flows({ [`server udp ${port} external`]: row(0, 0, 3, 60_003) }, { [`client udp ${port} external`]: row(3, 60_003) }, '')
    }),
  )
}

t.test(
  'what a full buffer drops was delivered to the socket',
  onSite(async (t, site) => {
    const { server, client, flows } = await twoEnds(t, site)
    const port = await serve(server, '127.0.0.1', await freePort(server, '127.0.0.1'))
    await server.say('option s rcvbuf 2304')
    await client.each('socket c 4 udp', `sendto c 127.0.0.1 ${port} 1000 200`)
    await server.say('patience s 1')
    const { datagrams } = await server.say('recv s 200')
    t.ok(datagrams < 100, `${datagrams} of 200 were read`)
    await flows({ [`server udp ${port} loopback`]: row(0, 0, 200, 200_000) }, { [`client udp ${port} loopback`]: row(200, 200_000) }, '')
  }),
)

t.test(
  'a datagram to a port where nobody waits was sent and received by nobody',
  onSite(async (t, site) => {
    const { server, client, flows } = await twoEnds(t, site)
    const port = await freePort(server, '127.0.0.1')
    await client.each('socket c 4 udp', `sendto c 127.0.0.1 ${port} 123 1`)
    await flows({}, { [`client udp ${port} loopback`]: row(1, 123) }, 'sent')
  }),
)

t.test(
  'multicast counts once at the sender and once at each receiver, its own host’s too',
  onSite(async (t, site) => {
    const hosts = twoHosts(site)
    const { server, client, cgroups, exporter } = await twoEnds(t, site, hosts)
    const near = site.cgroup('near')
    const beside = site.agent({ cgroup: near, namespace: hosts.clientIn })
    await server.each('socket s 4 udp', 'bind s 239.8.8.8 5001', `join s 239.8.8.8 ${SERVER}`)
    await beside.each('socket s 4 udp', 'bind s 239.8.8.8 5001', 'join s 239.8.8.8 10.11.0.1')
    await client.each('socket c 4 udp', 'join c 239.8.8.8 10.11.0.1', 'sendto c 239.8.8.8 5001 400 5')
    t.equal((await server.say('recv s 5')).bytes, 2000)
    t.equal((await beside.say('recv s 5')).bytes, 2000)
    const wanted = { sent: 2000, far: 2000, near: 2000 }
    const read = await exporter.settled(wanted, (scrape) => ({
      sent: bytesOf(scrape, cgroups.client, 'egress', 'udp'),
      far: bytesOf(scrape, cgroups.server, 'ingress', 'udp'),
      near: bytesOf(scrape, near, 'ingress', 'udp'),
    }))
    t.same(read, wanted)
    const scrape = await exporter.scrape()
    t.same(Object.keys(flowsOf(scrape, cgroups.server)), ['server udp 5001 external'], 'the receiver is a server')
    t.same(Object.keys(flowsOf(scrape, cgroups.client)), ['client udp 5001 external'], 'the sender is a client')
  }),
)

t.test(
  'multicast over IPv6 counts the same',
  onSite(async (t, site) => {
    const hosts = twoHosts(site)
    const { server, client, cgroups, exporter } = await twoEnds(t, site, hosts)
    const near = site.cgroup('near')
    const beside = site.agent({ cgroup: near, namespace: hosts.clientIn })
    await server.each('socket s 6 udp', 'bind s ff02::8888%v1 5001', 'join s ff02::8888%v1 v1')
    await beside.each('socket s 6 udp', 'bind s ff02::8888%v0 5001', 'join s ff02::8888%v0 v0')
    await client.each('socket c 6 udp', 'sendto c ff02::8888%v0 5001 400 5')
    t.equal((await server.say('recv s 5')).bytes, 2000)
    t.equal((await beside.say('recv s 5')).bytes, 2000)
    const wanted = { sent: 2000, far: 2000, near: 2000 }
    const read = await exporter.settled(wanted, (scrape) => ({
      sent: bytesOf(scrape, cgroups.client, 'egress', 'udp'),
      far: bytesOf(scrape, cgroups.server, 'ingress', 'udp'),
      near: bytesOf(scrape, near, 'ingress', 'udp'),
    }))
    t.same(read, wanted)
  }),
)

t.test(
  'broadcast counts once at the sender and once at the receiver',
  onSite(async (t, site) => {
    const { server, client, cgroups, exporter } = await twoEnds(t, site, twoHosts(site))
    await serve(server, '0.0.0.0', 5001)
    await client.each('socket c 4 udp', 'option c broadcast 1', 'sendto c 10.11.0.255 5001 300 4')
    t.equal((await server.say('recv s 4')).bytes, 1200)
    const wanted = { sent: 1200, received: 1200 }
    const read = await exporter.settled(wanted, (scrape) => ({
      sent: bytesOf(scrape, cgroups.client, 'egress', 'udp'),
      received: bytesOf(scrape, cgroups.server, 'ingress', 'udp'),
    }))
    t.same(read, wanted)
  }),
)

t.test(
  'who is the server: a port named at bind; not a port left to the kernel, nor a source port before a well-known one',
  onSite(async (t, site) => {
    const { server, client, flows } = await twoEnds(t, site, twoHosts(site))
    await serve(server, SERVER, 53)
    await client.each('socket any 4 udp', 'bind any 10.11.0.1 0', `sendto any ${SERVER} 53 10 1`)
    await client.each('socket chosen 4 udp', 'bind chosen 10.11.0.1 33333', `sendto chosen ${SERVER} 53 20 1`)
    await server.say('recv s 2')
    await server.say('sendto s 10.11.0.1 33333 100 1')
    await client.say('recv chosen 1')
    await flows({ 'server udp 53 external': row(1, 100, 2, 30) }, { 'client udp 53 external': row(2, 30, 1, 100) }, 'one row each')
  }),
)

t.test(
  'who is the server: a port left to the kernel that was spoken to first',
  onSite(async (t, site) => {
    const { server, client, flows } = await twoEnds(t, site)
    const port = await serve(server, '127.0.0.1', 0)
    await client.each('socket c 4 udp', `sendto c 127.0.0.1 ${port} 10 1`)
    const { peerPort } = await server.say('recv s 1')
    await server.say(`sendto s 127.0.0.1 ${peerPort} 20 1`)
    await client.say('recv c 1')
    await flows({ [`server udp ${port} loopback`]: row(1, 20, 1, 10) }, { [`client udp ${port} loopback`]: row(1, 10, 1, 20) }, '')
  }),
)

t.test(
  'sockets older than the exporter keep their roles',
  onSite(async (t, site) => {
    const cgroups = { server: site.cgroup('server'), client: site.cgroup('client') }
    const [server, client] = [site.agent({ cgroup: cgroups.server }), site.agent({ cgroup: cgroups.client })]
    const port = await serve(server, '127.0.0.1', await freePort(server, '127.0.0.1'))
    await client.each('socket c 4 udp', `connect c 127.0.0.1 ${port}`, 'send c 500 1')
    await server.say('recv s 1')
    const exporter = await site.exporter()
    const flows = expectRows(t, exporter, cgroups)
    await client.say('send c 10 2')
    const { peerPort } = await server.say('recv s 2')
    await server.say(`sendto s 127.0.0.1 ${peerPort} 7 1`)
    await client.say('recv c 1')
    await flows({ [`server udp ${port} loopback`]: row(1, 7, 2, 20) }, { [`client udp ${port} loopback`]: row(2, 20, 1, 7) }, '')
  }),
)

t.test(
  'a DNAT inside the socket’s own namespace does not tear a connected socket’s flow apart',
  onSite(async (t, site) => {
    const hosts = twoHosts(site)
    const { server, client, flows } = await twoEnds(t, site, hosts)
    // The client dials 10.99.0.1:53, as a pod dials its cluster's DNS; the packets go to the server's 5353.
    hosts.clientIn.run('ip', 'route', 'add', '10.99.0.0/24', 'via', SERVER)
    hosts.clientIn.run(
      'nft',
      `add table ip o8; add chain ip o8 out { type nat hook output priority -100; }; add rule ip o8 out ip daddr 10.99.0.1 udp dport 53 dnat to ${SERVER}:5353`,
    )
    await serve(server, SERVER, 5353)
    await client.each('socket c 4 udp', 'connect c 10.99.0.1 53', 'send c 100 3')
    const { peerPort } = await server.say('recv s 3')
    await server.say(`sendto s 10.11.0.1 ${peerPort} 40 3`)
    t.equal((await client.say('recv c 3')).bytes, 120)
    await flows(
      { 'server udp 5353 external': row(3, 120, 3, 300) },
      { 'client udp 53 external': row(3, 300, 3, 120) },
      'as the socket dialled',
    )
  }),
)

t.test(
  'a redirect inside the server’s own namespace does not tear its flow apart; an unconnected client’s bytes stay exact',
  onSite(async (t, site) => {
    const hosts = twoHosts(site)
    const { server, client, cgroups, exporter, flows } = await twoEnds(t, site, hosts)
    hosts.serverIn.run(
      'nft',
      'add table ip o8; add chain ip o8 pre { type nat hook prerouting priority -100; }; add rule ip o8 pre udp dport 53 redirect to :5353',
    )
    await serve(server, '0.0.0.0', 5353)
    await client.each('socket c 4 udp', `sendto c ${SERVER} 53 100 3`)
    const { peerPort } = await server.say('recv s 3')
    await server.say(`sendto s 10.11.0.1 ${peerPort} 40 3`)
    t.equal((await client.say('recv c 3')).bytes, 120)
    await flows(
      { 'server udp 5353 external': row(3, 120, 3, 300) },
      { 'client udp 53 external': row(3, 300, 3, 120) },
      'both ways in one row',
    )

    // The client's own namespace rewrites an unconnected socket's datagrams: the bytes stay its own.
    hosts.clientIn.run(
      'nft',
      `add table ip o8; add chain ip o8 out { type nat hook output priority -100; }; add rule ip o8 out udp dport 54 dnat to ${SERVER}:5353`,
    )
    await client.each('socket d 4 udp', `sendto d ${SERVER} 54 1000 1`)
    const { peerPort: second } = await server.say('recv s 1')
    await server.say(`sendto s 10.11.0.1 ${second} 1 1`)
    await client.say('recv d 1')
    const wanted = { sent: 1300, received: 121 }
    const read = await exporter.settled(wanted, (scrape) => ({
      sent: bytesOf(scrape, cgroups.client, 'egress', 'udp'),
      received: bytesOf(scrape, cgroups.client, 'ingress', 'udp'),
    }))
    t.same(read, wanted)
  }),
)
