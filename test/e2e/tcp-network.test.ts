// TCP between hosts of the test's own: lost and dropped segments, attempts that fail, Fast Open, Multipath TCP.
import { existsSync } from 'node:fs'
import t from 'tap'
import { ended, type Rows, still, twoEnds } from '../harness/ends.ts'
import { matching, sum } from '../harness/exposition.ts'
import { bytesOf, flowsOf } from '../harness/flows.ts'
import { onSite } from '../harness/site.ts'
import { close, connect, exchange, listen } from '../harness/streams.ts'
import { SERVER, SERVER6, twoHosts } from '../harness/two-hosts.ts'

const both = (key: string, client: Rows[string], server: Rows[string]): [Rows, Rows] => [
  { [`server ${key}`]: server },
  { [`client ${key}`]: client },
]

for (const [family, at] of [
  ['IPv4', SERVER],
  ['IPv6', SERVER6],
] as const) {
  t.test(
    `between two hosts over ${family}`,
    onSite(async (t, site) => {
      const { server, client, flows } = await twoEnds(t, site, twoHosts(site))
      const port = await connect(server, client, { at })
      await exchange(server, client, 3_000_000, 4_000_000)
      await close(server, client)
      await flows(...both(`tcp ${port} external`, ended(3_000_000, 4_000_000), ended(4_000_000, 3_000_000)), 'closed')
    }),
  )
}

t.test(
  'segments lost on the way are sent again and counted as retransmitted, not as bytes',
  onSite(async (t, site) => {
    const hosts = twoHosts(site)
    const { server, client, cgroups, exporter, flows } = await twoEnds(t, site, hosts)
    const port = await connect(server, client, { at: SERVER })
    // One in 23 both ways: no timer's luck is needed.
    for (const host of [hosts.serverIn, hosts.clientIn]) {
      host.run(
        'nft',
        'add table inet o8; add chain inet o8 in { type filter hook input priority 0; }; add rule inet o8 in meta l4proto tcp numgen inc mod 23 0 drop',
      )
    }
    await exchange(server, client, 1_000_001, 500_001)
    const info = await client.say('info c')
    t.ok(info.retransmitted > 0, `${info.retransmitted} segments were sent again`)
    await flows(...both(`tcp ${port} external`, still(1_000_001, 500_001), still(500_001, 1_000_001)), 'bytes once')
    const again = await exporter.settled(info.retransmitted, (scrape) =>
      sum(scrape, 'orb8_tcp_retransmitted_segments_total', cgroups.client.workload ? { workload: cgroups.client.workload } : {}),
    )
    t.ok(again >= info.retransmitted, `${again} counted`)
    for (const host of [hosts.serverIn, hosts.clientIn]) host.run('nft', 'delete table inet o8')
    await close(server, client)
    await flows(...both(`tcp ${port} external`, ended(1_000_001, 500_001), ended(500_001, 1_000_001)), 'closed')
  }),
)

t.test(
  'segments that the sender’s own queue drops are not counted twice',
  onSite(async (t, site) => {
    const hosts = twoHosts(site)
    hosts.clientIn.run('tc', 'qdisc', 'add', 'dev', 'v0', 'root', 'tbf', 'rate', '40mbit', 'burst', '20000', 'limit', '30000')
    const { server, client, flows } = await twoEnds(t, site, hosts)
    const port = await connect(server, client, { at: SERVER })
    await exchange(server, client, 4_000_003, 11)
    const { sent, resent } = await client.say('info c')
    t.ok(sent - resent > 4_000_003, `bytes_sent - bytes_retrans says ${sent - resent}`)
    await flows(...both(`tcp ${port} external`, still(4_000_003, 11), still(11, 4_000_003)), 'open')
    await close(server, client)
    await flows(...both(`tcp ${port} external`, ended(4_000_003, 11), ended(11, 4_000_003)), 'closed')
  }),
)

t.test(
  'attempts that are refused or never answered leave no bytes and no connection; the next one counts',
  onSite(async (t, site) => {
    const hosts = twoHosts(site)
    const { server, client, cgroups, exporter, flows } = await twoEnds(t, site, hosts)
    hosts.serverIn.run(
      'nft',
      'add table inet o8; add chain inet o8 in { type filter hook input priority 0; }; add rule inet o8 in tcp dport 81 drop',
    )
    await client.each('socket silent 4 tcp', 'option silent syncnt 1', 'patience silent 60')
    t.match(await client.attempt(`connect silent ${SERVER} 81`), { error: 'ETIMEDOUT' })
    await client.say('socket refused 4 tcp')
    t.match(await client.attempt(`connect refused ${SERVER} 82`), { error: 'ECONNREFUSED' })
    await client.each('socket given-up 4 tcp', `begin given-up ${SERVER} 81`, 'close given-up')
    const port = await connect(server, client, { at: SERVER })
    await exchange(server, client, 1, 1)
    await close(server, client)
    await flows(...both(`tcp ${port} external`, ended(1, 1), ended(1, 1)), 'the one that was made')
    const tried = matching(await exporter.scrape(), 'orb8_tcp_connections_opened_total', { workload: cgroups.client.workload })
    t.equal(tried.length, 1, 'no series for what never was')
  }),
)

t.test(
  'a connection broken off by the network counts what was sent into the dark once, and is closed',
  onSite(async (t, site) => {
    const hosts = twoHosts(site)
    const { server, client, cgroups, exporter } = await twoEnds(t, site, hosts)
    const port = await connect(server, client, { at: SERVER })
    await exchange(server, client, 100, 200)
    await client.say('option c usertimeout 700')
    hosts.serverIn.run(
      'nft',
      'add table inet o8; add chain inet o8 in { type filter hook input priority 0; }; add rule inet o8 in meta l4proto tcp drop',
    )
    await client.say('write c 5000')
    t.match(await client.attempt('read c'), { error: 'ETIMEDOUT' })
    await client.say('close c')
    const wanted = { [`client tcp ${port} external`]: ended(5100, 200) }
    t.same(await exporter.settled(wanted, (scrape) => flowsOf(scrape, cgroups.client)), wanted, 'the client gave up')
    t.equal(bytesOf(await exporter.scrape(), cgroups.server, 'ingress'), 100, 'the server never got it')
  }),
)

t.test(
  'Fast Open: data in the SYN is counted at both ends',
  onSite(async (t, site) => {
    const hosts = twoHosts(site)
    for (const host of [hosts.clientIn, hosts.serverIn]) host.sysctl('net.ipv4.tcp_fastopen', '3')
    const { server, client, flows } = await twoEnds(t, site, hosts)
    const port = await listen(server, { at: SERVER })
    await server.say('option l fastopen 16')
    let withData = 0
    let sent = 0
    for (const bytes of [100, 900, 1300, 0]) {
      // The first one asks for a cookie, the rest have it.
      await client.say('socket c 4 tcp')
      const verb = bytes > 0 ? 'fastopen' : 'connect'
      const { bytes: first = 0 } = await client.say(`${verb} c ${SERVER} ${port} ${bytes}`)
      sent += first
      await server.say('accept l s')
      if (first > 0) await server.say(`read s ${first}`)
      await exchange(server, client, 50, 70)
      sent += 50
      withData += (await client.say('info c')).fastOpen ? 1 : 0
      await client.say('shutdown c')
      await server.each('read s', 'close s')
      await client.each('read c', 'close c')
    }
    t.ok(withData >= 2, `${withData} of them had data in the SYN`)
    const row = (up: number, down: number) => ({ sent: up, received: down, opened: 4, closed: 4, open: 0 })
    await flows(...both(`tcp ${port} external`, row(sent, 280), row(280, sent)), 'four connections')
  }),
)

t.test(
  'Fast Open: a server that answers and closes before the handshake is over counts its answer',
  onSite(async (t, site) => {
    const hosts = twoHosts(site)
    for (const host of [hosts.clientIn, hosts.serverIn]) host.sysctl('net.ipv4.tcp_fastopen', '519')
    // 519: client and server, both without a cookie.
    const { server, client, flows } = await twoEnds(t, site, hosts)
    const port = await listen(server, { at: SERVER })
    await server.say('option l fastopen 16')
    // The third packet of the handshake waits: the server's child speaks in SYN_RECV.
    hosts.serverIn.run(
      'nft',
      'add table inet o8; add chain inet o8 in { type filter hook input priority 0; }; add rule inet o8 in tcp flags & (syn | ack) == ack drop',
    )
    await client.each('socket c 4 tcp', `fastopen c ${SERVER} ${port} 400`)
    await server.each('accept l s', 'read s 400', 'write s 300', 'shutdown s')
    await client.say('read c 300')
    hosts.serverIn.run('nft', 'delete table inet o8')
    await client.each('write c 20', 'close c')
    await server.each('read s', 'close s')
    await flows(...both(`tcp ${port} external`, ended(420, 300), ended(300, 420)), 'closed')
  }),
)

const multipath = existsSync('/proc/sys/net/mptcp') ? {} : { skip: 'this kernel has no Multipath TCP' }

for (const [clientKind, what] of [
  ['mptcp', 'a Multipath TCP connection counts its payload once, on its subflow'],
  ['tcp', 'a plain client of a Multipath TCP listener counts, at both ends'],
] as const) {
  t.test(
    what,
    multipath,
    onSite(async (t, site) => {
      const hosts = twoHosts(site)
      for (const host of [hosts.clientIn, hosts.serverIn]) host.sysctl('net.mptcp.enabled', '1')
      const { server, client, cgroups, exporter, flows } = await twoEnds(t, site, hosts)
      const port = await connect(server, client, { at: SERVER, kind: 'mptcp', clientKind })
      await exchange(server, client, 200_000, 100_000)
      await flows(...both(`tcp ${port} external`, still(200_000, 100_000), still(100_000, 200_000)), 'open')
      await client.each('shutdown c')
      await server.each('read s', 'close s', 'close l')
      await client.each('read c', 'close c')
      await flows(...both(`tcp ${port} external`, ended(200_000, 100_000), ended(100_000, 200_000)), 'closed')
      t.same(matching(await exporter.scrape(), 'orb8_flow_bytes_total', { workload: cgroups.client.workload, protocol: '262' }), [])
    }),
  )
}
