// What a client dialled is its peer, also where another program, or NAT, sends it somewhere else.
import t, { type Test } from 'tap'
import { TOTALS } from '../../src/kernel/layouts.ts'
import type { Fd } from '../../src/kernel/libbpf.ts'
import { readValue, writeValue } from '../../src/kernel/maps.ts'
import type { SocketDatapath } from '../../src/kernel/socket-datapath.ts'
import { type Balancer, type End, startBalancer } from '../harness/balancer.ts'
import { run } from '../harness/child.ts'
import { HealthSeen, samples } from '../harness/health.ts'
import { has } from '../harness/namespaces.ts'
import { Counted, HOSTS, makePods, type Pods, startBelow } from '../harness/pods.ts'
import { onSite, type Site } from '../harness/site.ts'
import { close, exchange } from '../harness/streams.ts'

const TCP = ['sentBytes', 'receivedBytes', 'opened', 'closed'] as const
const UDP = ['sentBytes', 'receivedBytes', 'sentPackets', 'receivedPackets'] as const
const SERVICE4 = '10.96.77.10'
const SERVICE6 = 'fd96::77:10'

const udp = (sentPackets: number, sentBytes: number, receivedPackets: number, receivedBytes: number) => ({
  sentBytes,
  receivedBytes,
  sentPackets,
  receivedPackets,
})

interface Balanced {
  readonly site: Site
  readonly pods: Pods
  readonly balance: Balancer['balance']
  readonly datapath: SocketDatapath
  readonly counted: Counted
}

/** With pods that are counted, and a program at the root that sends what they dial somewhere else. */
function balanced(body: (t: Test, balanced: Balanced) => Promise<void>): (t: Test) => Promise<void> {
  return onSite(async (t, site) => {
    const pods = makePods(site)
    const { balance } = startBalancer(site.undo)
    await using datapath = await startBelow(pods)
    datapath.followDials()
    await body(t, { site, pods, balance, datapath, counted: new Counted(datapath) })
  })
}

/** What is dialled, which Service that is, its backend, and where the server sees the client. */
const FAMILIES = [
  { name: 'IPv4', dialled: SERVICE4, service: SERVICE4, backend: HOSTS.server[0], from: HOSTS.client[0], family: 4 },
  { name: 'IPv6', dialled: SERVICE6, service: SERVICE6, backend: HOSTS.server[1], from: HOSTS.client[1], family: 6 },
  {
    name: 'an IPv4-mapped address',
    dialled: `::ffff:${SERVICE4}`,
    service: SERVICE4,
    backend: HOSTS.server[0],
    from: HOSTS.client[0],
    family: 6,
  },
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
        for (const [name, count] of [
          ['s', 3],
          ['r', 1],
        ] as const) {
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
t.test(
  'attempts that fail, and how long the others took, are told of the Service that was dialled',
  balanced(async (t, { pods, balance, datapath }) => {
    const health = new HealthSeen(datapath)
    const { server, client, cgroups } = pods
    balance([SERVICE4, 80], [HOSTS.server[0], 8080])
    balance([SERVICE4, 81], [HOSTS.server[0], 8081])
    balance([SERVICE4, 82], ['203.0.113.1', 8082])
    await client.say('socket c 4 tcp')
    t.match(await client.attempt(`connect c ${SERVICE4} 80`), { error: 'ECONNREFUSED' })
    t.match(await client.attempt(`connect c ${SERVICE4} 82`), { error: 'ENETUNREACH' }, 'no SYN leaves: no attempt for the kernel')
    await server.each('socket l 4 tcp', `bind l ${HOSTS.server[0]} 8081`, 'listen l')
    await client.say(`connect c ${SERVICE4} 81`)
    await health.collect()
    t.same(health.failures(cgroups.client), { 'client 6 80 address refused': 1 })
    const times = Object.fromEntries([...health.of(cgroups.client)].map(([name, { connect }]) => [name, samples(connect)]))
    t.same(times, { 'client 6 80 address': 0, 'client 6 81 address': 1 })
  }),
)

t.test(
  "a socket that dials one after the other has each under its own Service, and what is nobody's under itself",
  balanced(async (t, { pods, balance, counted }) => {
    const { server, client, cgroups } = pods
    const [at] = HOSTS.server
    balance([SERVICE4, 80], [at, 8080])
    balance(['10.96.77.11', 80], [at, 8080])
    await server.each('socket l 4 tcp', `bind l ${at} 8080`, 'listen l', 'socket s 4 udp', `bind s ${at} 8080`)
    await client.each('socket u 4 udp', 'socket c 4 tcp')
    for (const [address, port] of [
      [SERVICE4, 80],
      ['10.96.77.11', 80],
      [at, 8080],
    ] as const) {
      await client.each(`connect c ${address} ${port}`, 'write c 10', 'shutdown c')
      await server.each('accept l a', 'read a', 'close a')
      await client.each('read c', 'disconnect c')
      await client.each(`connect u ${address} ${port}`, 'send u 7 1')
    }
    await server.say('recv s 3')
    await counted.collect()
    const wanted = [`80 ${SERVICE4}`, '80 10.96.77.11', `8080 ${at}`]
    t.same(counted.of(cgroups.client, 'sentBytes'), {
      ...Object.fromEntries(wanted.map((end) => [`client 6 ${end}`, { sentBytes: 10 }])),
      ...Object.fromEntries(wanted.map((end) => [`client 17 ${end}`, { sentBytes: 7 }])),
    })
  }),
)

t.test(
  'loopback that leads elsewhere is no loopback: its peer is where it went',
  balanced(async (t, { pods, balance, counted }) => {
    const { server, client, cgroups } = pods
    balance(['127.0.0.1', 30_080], [HOSTS.server[0], 8080])
    await server.each('socket l 4 tcp', `bind l ${HOSTS.server[0]} 8080`, 'listen l')
    await client.each('socket c 4 tcp', 'connect c 127.0.0.1 30080', 'write c 10')
    await client.each('socket u 4 udp', 'sendto u 127.0.0.1 30080 5 1', 'sendto u 127.0.0.1 9 5 1')
    await counted.collect()
    t.same(counted.of(cgroups.client, 'sentBytes'), {
      [`client 6 8080 ${HOSTS.server[0]}`]: { sentBytes: 10 },
      [`client 17 8080 ${HOSTS.server[0]}`]: { sentBytes: 5 },
      'client 17 9 loopback': { sentBytes: 5 },
    })
  }),
)

t.test(
  'of a Multipath TCP client the subflow dials',
  balanced(async (t, { pods, balance, counted }) => {
    const { server, client, cgroups } = pods
    balance([SERVICE4, 80], [HOSTS.server[0], 8080])
    await server.each('socket l 4 mptcp', `bind l ${HOSTS.server[0]} 8080`, 'listen l')
    await client.each('socket c 4 mptcp', `connect c ${SERVICE4} 80`, 'write c 10')
    await server.each('accept l s', 'read s 10')
    await counted.collect()
    t.same(Object.keys(counted.of(cgroups.client)), [`client 6 80 ${SERVICE4}`])
  }),
)

for (const [nowhere, family] of [
  ['0.0.0.0', 4],
  ['::', 6],
  ['::ffff:0.0.0.0', 6],
] as const) {
  t.test(
    `what dials ${nowhere} gets loopback, and that is its peer`,
    onSite(async (t, site) => {
      const pods = makePods(site)
      startBalancer(site.undo)
      await using datapath = await startBelow(pods)
      datapath.followDials()
      const counted = new Counted(datapath)
      const { client, cgroups } = pods
      await client.each('socket l 6 tcp', 'bind l :: 8080', 'listen l', `socket c ${family} tcp`, `connect c ${nowhere} 8080`, 'write c 10')
      await client.each(`socket u ${family} udp`, `connect u ${nowhere} 9`, 'send u 5 1')
      await counted.collect()
      const { 'client 6 8080 loopback': tcp, 'client 17 9 loopback': udp, ...rest } = counted.of(cgroups.client, 'sentBytes')
      t.same([tcp, udp, Object.keys(rest)], [{ sentBytes: 10 }, { sentBytes: 5 }, ['server 6 8080 loopback']])
    }),
  )
}

t.test(
  'what a thread sends by a socket that is not observed has nothing to do with what it sent before',
  balanced(async (t, { site, pods, balance, counted }) => {
    const { root, client, cgroups } = pods
    const outside = site.cgroup('outside', root)
    balance([SERVICE4, 53], [HOSTS.server[0], 5353])
    await client.each('socket u 4 udp', `sendto u ${SERVICE4} 53 10 1`)
    await client.each(`move ${outside.directory}`, 'socket v 4 udp', `sendto v ${HOSTS.server[0]} 9 20 1`)
    await counted.collect()
    t.same(counted.of(cgroups.client, 'sentBytes'), { [`client 17 53 ${SERVICE4}`]: { sentBytes: 10 } })
    t.same(counted.of(outside, 'sentBytes'), { [`client 17 9 ${HOSTS.server[0]}`]: { sentBytes: 20 } })
    await client.say(`move ${cgroups.client.directory}`)
  }),
)

t.test(
  'many connections by many threads: all of them in one row',
  balanced(async (t, { site, pods, balance, counted }) => {
    const { cgroups, namespaces } = pods
    const place = (end: 'client' | 'server') => ({ cgroup: cgroups[end], namespace: namespaces[end] })
    const served = site.bulk(place('server'), 'serve', { address: HOSTS.server[0], threads: 2 })
    const [port = 0] = await served.ports()
    balance([SERVICE4, 80], [HOSTS.server[0], port])
    const options = { address: SERVICE4, port: 80, connections: 4000, threads: 4, up: 100, down: 300 }
    const figures = await site.bulk(place('client'), 'connect', options).figures()
    await served.stop()
    await counted.collect()
    const { connections, written, read } = figures
    t.equal(connections, 4000)
    const row = { sentBytes: written, receivedBytes: read, opened: connections, closed: connections }
    t.same(counted.of(cgroups.client, ...TCP), { [`client 6 80 ${SERVICE4}`]: row })
  }),
)

t.test(
  'threads that share an unconnected socket and send each to a Service of its own: every datagram under its own',
  balanced(async (t, { site, pods, balance, counted }) => {
    const { client } = pods.namespaces
    run('ip', '-n', client.name, 'route', 'add', '10.97.0.0/16', 'via', HOSTS.server[0])
    const services = Array.from({ length: 8 }, (_, i) => `10.96.77.${20 + i}`)
    // The same backend behind two of them: only the sender can tell them apart.
    for (const [i, service] of services.entries()) balance([service, 53], [`10.97.0.${i >> 1}`, 5353])
    const place = { cgroup: pods.cgroups.client, namespace: client }
    const options = { address: services[0] ?? '', port: 53, threads: services.length, connections: 5000, size: 10 }
    t.match(await site.bulk(place, 'udp-share', options).figures(), { transactions: 40_000, failures: 0 })
    await counted.collect()
    const rows = services.map((service) => [`client 17 53 ${service}`, { sentBytes: 50_000, sentPackets: 5000 }])
    t.same(counted.of(pods.cgroups.client, 'sentBytes', 'sentPackets'), Object.fromEntries(rows))
  }),
)

t.test(
  'a connected socket that is spoken to first is a client all the same',
  balanced(async (t, { pods, balance, counted }) => {
    balance([SERVICE4, 53], [HOSTS.server[0], 5353])
    await pods.server.each('socket s 4 udp', `bind s ${HOSTS.server[0]} 5353`)
    const { port } = await pods.client.each('socket c 4 udp', `connect c ${SERVICE4} 53`)
    await pods.server.say(`sendto s ${HOSTS.client[0]} ${port} 10 1`)
    await pods.client.each('recv c 1', 'send c 20 1')
    await counted.collect()
    t.same(counted.of(pods.cgroups.client, ...UDP), { [`client 17 53 ${SERVICE4}`]: udp(1, 20, 1, 10) })
  }),
)

t.test(
  'where there is no room at the SYN, a dial before changes nothing: the connection is left out, a failure is told once',
  balanced(async (t, { pods, balance, datapath, counted }) => {
    const health = new HealthSeen(datapath)
    const { server, client, cgroups } = pods
    balance([SERVICE4, 80], [HOSTS.server[0], 8080])
    balance([SERVICE4, 81], [HOSTS.server[0], 8081])
    await server.each('socket l 4 tcp', `bind l ${HOSTS.server[0]} 8081`, 'listen l')
    for (const name of ['refused', 'taken']) {
      await client.say(`socket ${name} 4 tcp`)
      t.match(await client.attempt(`connect ${name} 203.0.113.1 80`), { error: 'ENETUNREACH' }, 'dialled, and no SYN')
    }
    crowd(datapath, 1_000_000)
    t.match(await client.attempt(`connect refused ${SERVICE4} 80`), { error: 'ECONNREFUSED' })
    const before = datapath.totals().untrackedLimit
    await client.say(`connect taken ${SERVICE4} 81`)
    t.ok(datapath.totals().untrackedLimit > before)
    crowd(datapath, -1_000_000)
    await client.say('write taken 10')
    await health.collect()
    t.same(health.failures(cgroups.client), { 'client 6 80 address refused': 1 })
    await counted.collect()
    t.same(counted.of(cgroups.client, 'sentBytes'), {})
  }),
)

/** So many sockets more seem to be watched. */
function crowd(datapath: SocketDatapath, more: number): void {
  const map = datapath.descriptors().maps.get('.data.totals') as Fd
  const totals = readValue(map, Buffer.alloc(TOTALS.size))
  totals.writeBigInt64LE(totals.readBigInt64LE(TOTALS.tracked) + BigInt(more), TOTALS.tracked)
  writeValue(map, totals)
}
