// Attempts to connect that come to nothing, each kind for real: the kernel's word for it, and every one once.
import t from 'tap'
import { decodeHealth } from '../../src/collect/health.ts'
import { SocketDatapath } from '../../src/kernel/socket-datapath.ts'
import { CONNECT_FAILURES } from '../../src/metrics.ts'
import { CGROUP_ROOT } from '../harness/cgroups.ts'
import { until } from '../harness/child.ts'
import { HealthSeen, samples } from '../harness/health.ts'
import { has, type Namespace } from '../harness/namespaces.ts'
import { onSite } from '../harness/site.ts'
import type { Agent } from '../harness/traffic.ts'
import { SERVER, SERVER6, twoHosts } from '../harness/two-hosts.ts'

const OPTIONS = { cgroupRoot: CGROUP_ROOT, flowEntries: 4096, sockets: 65536 }
/** Everything that arrives at these ports meets with this fate. */
function fate({ serverIn }: { serverIn: Namespace }, ...rules: string[]): void {
  const chain = 'add table inet o8; add chain inet o8 in { type filter hook input priority 0; }'
  serverIn.run('nft', [chain, ...rules.map((rule) => `add rule inet o8 in ${rule}`)].join('; '))
}

const family = (address: string): number => (address.includes(':') ? 6 : 4)

/** Sends a SYN from a socket of this name and does not wait. */
async function begin(agent: Agent, name: string, to: string, port: number, ...options: string[]): Promise<void> {
  await agent.each(
    `socket ${name} ${family(to)} tcp`,
    ...options.map((option) => `option ${name} ${option}`),
    `begin ${name} ${to} ${port}`,
  )
}

t.test(
  '1,000 attempts that are refused, over both families',
  onSite(async (t, site) => {
    const [cgroup, namespace] = [site.cgroup('client'), site.namespace('refused')]
    await using datapath = await SocketDatapath.start(OPTIONS)
    const seen = new HealthSeen(datapath)
    for (const [address, connections] of [
      ['127.0.0.1', 900],
      ['::1', 100],
    ] as const) {
      const figures = await site.bulk({ cgroup, namespace }, 'connect', { address, port: 9, connections, threads: 4 }).figures()
      t.equal(figures.failures, connections)
    }
    await seen.collect()
    t.same(seen.failures(cgroup), { 'client 6 9 loopback refused': 1000 })
    t.same([...seen.of(cgroup).keys()], ['client 6 9 loopback'], 'and nothing else')
    t.match(seen.of(cgroup).get('client 6 9 loopback'), { rtt: { sum: 0 }, connect: { sum: 0 }, listenOverflows: 0, receiveDrops: 0 })
  }),
)

t.test(
  'attempts that nobody answers time out, and those that a router turns away are unreachable',
  { skip: has('nft') ? false : 'no nft' },
  onSite(async (t, site) => {
    const [cgroup, hosts] = [site.cgroup('client'), twoHosts(site)]
    fate(
      hosts,
      'tcp dport 81 drop',
      'tcp dport 82 reject with icmp type host-unreachable',
      'tcp dport 82 reject with icmpv6 type admin-prohibited',
      'tcp dport 83 reject with icmp type net-unreachable',
      'tcp dport 84 reject with icmp type port-unreachable',
      'tcp dport 85 reject with icmp type prot-unreachable',
      'tcp dport 86 reject with icmp type admin-prohibited',
    )
    hosts.serverIn.sysctl('net.ipv4.icmp_ratelimit', '0')
    hosts.serverIn.sysctl('net.ipv6.icmp.ratelimit', '0')
    const client = site.agent({ cgroup, namespace: hosts.clientIn })
    await using datapath = await SocketDatapath.start(OPTIONS)
    const seen = new HealthSeen(datapath)
    for (let i = 0; i < 20; i++) await begin(client, `silent${i}`, i % 2 ? SERVER : SERVER6, 81, 'syncnt 1')
    for (let i = 0; i < 10; i++) await begin(client, `away${i}`, i % 2 ? SERVER : SERVER6, 82, 'syncnt 1')
    for (const port of [83, 84, 85, 86]) await begin(client, `port${port}`, SERVER, port, 'syncnt 1')
    await begin(client, 'nobody', '10.11.0.77', 80, 'syncnt 3')
    await until('20 time-outs', async () => (await seen.collect()).failed(cgroup, 'timeout') >= 20)
    await until('those turned away', async () => (await seen.collect()).failed(cgroup, 'unreachable') >= 14)
    t.same(seen.failures(cgroup), {
      'client 6 81 address timeout': 20,
      'client 6 82 address unreachable': 10,
      'client 6 83 address unreachable': 1,
      'client 6 84 address refused': 1,
      'client 6 85 address unreachable': 1,
      'client 6 86 address unreachable': 1,
      'client 6 80 address unreachable': 1,
    })
  }),
)

t.test(
  'attempts that their owner gives up are aborted: closed, reset, disconnected, its process killed',
  { skip: has('nft') ? false : 'no nft' },
  onSite(async (t, site) => {
    const [cgroup, hosts] = [site.cgroup('client'), twoHosts(site)]
    fate(hosts, 'tcp dport 81 drop')
    const client = site.agent({ cgroup, namespace: hosts.clientIn })
    const doomed = site.agent({ cgroup, namespace: hosts.clientIn })
    await using datapath = await SocketDatapath.start(OPTIONS)
    const seen = new HealthSeen(datapath)
    for (let i = 0; i < 60; i++) {
      await begin(client, 'c', i % 2 ? SERVER : SERVER6, 81)
      await client.say(['close c', 'reset c', 'disconnect c'][i % 3] ?? '')
    }
    for (let i = 0; i < 40; i++) await begin(doomed, `c${i}`, SERVER, 81)
    t.same((await seen.collect()).failures(cgroup), { 'client 6 81 address aborted': 60 })
    await doomed.end()
    const bulk = { address: SERVER, port: 81, connections: 200, threads: 4, end: 'abort' }
    t.equal((await site.bulk({ cgroup, namespace: hosts.clientIn }, 'connect', bulk).figures()).failures, 200)
    t.same((await seen.collect()).failures(cgroup), { 'client 6 81 address aborted': 300 })
  }),
)

t.test(
  'a reset in the midst of a simultaneous open',
  { skip: has('nft') ? false : 'no nft' },
  onSite(async (t, site) => {
    const [cgroup, other, hosts] = [site.cgroup('client'), site.cgroup('other'), twoHosts(site)]
    fate(hosts, 'tcp flags & (syn|ack) == syn drop', 'tcp flags & (syn|ack) == syn|ack reject with tcp reset')
    const one = site.agent({ cgroup, namespace: hosts.clientIn })
    const two = site.agent({ cgroup: other, namespace: hosts.serverIn })
    await using datapath = await SocketDatapath.start(OPTIONS)
    const seen = new HealthSeen(datapath)
    await one.each('socket c 4 tcp', 'bind c 10.11.0.1 5001', `begin c ${SERVER} 5002`)
    await two.each('socket c 4 tcp', `bind c ${SERVER} 5002`, 'begin c 10.11.0.1 5001')
    await until('the reset', async () => (await seen.collect()).failed(cgroup, 'reset') > 0)
    t.same(seen.failures(cgroup), { 'client 6 5002 address reset': 1 })
    await two.say('close c')
    t.same((await seen.collect()).failures(other), { 'client 6 5001 address aborted': 1 })
  }),
)

t.test(
  'no free port is another reason; what never left connect() is no attempt',
  onSite(async (t, site) => {
    const [cgroups, namespace] = [{ server: site.cgroup('server'), client: site.cgroup('client') }, site.namespace('ports')]
    namespace.sysctl('net.ipv4.ip_local_port_range', '40000 40000')
    const server = site.agent({ cgroup: cgroups.server, namespace })
    const client = site.agent({ cgroup: cgroups.client, namespace })
    await using datapath = await SocketDatapath.start(OPTIONS)
    const seen = new HealthSeen(datapath)
    await server.each('socket l 4 tcp', 'bind l 127.0.0.1 80', 'listen l')
    await client.each('socket c 4 tcp', 'bind c 127.0.0.1 40000', 'connect c 127.0.0.1 80')
    for (let i = 0; i < 5; i++) {
      await client.say('socket none 4 tcp')
      t.match(await client.attempt('connect none 127.0.0.1 80'), { error: 'EADDRNOTAVAIL' })
      await client.say('close none')
    }
    await client.each('socket bound 4 tcp', 'bind bound 127.0.0.1 40000')
    t.match(await client.attempt('connect bound 127.0.0.1 80'), { error: 'EADDRNOTAVAIL' })
    await client.say('socket nowhere 4 tcp')
    t.match(await client.attempt('connect nowhere 192.0.2.1 80'), { error: 'ENETUNREACH' }, 'no route: nothing was tried')
    t.same((await seen.collect()).failures(cgroups.client), { 'client 6 80 loopback other': 6 })
    const times = seen.of(cgroups.client).get('client 6 80 loopback')
    t.equal(times && samples(times.connect), 1, 'the one that had the port')
  }),
)

t.test(
  'one socket that fails, connects, and fails again is as many sockets',
  onSite(async (t, site) => {
    const [cgroups, namespace] = [{ server: site.cgroup('server'), client: site.cgroup('client') }, site.namespace('again')]
    const server = site.agent({ cgroup: cgroups.server, namespace })
    const client = site.agent({ cgroup: cgroups.client, namespace })
    await using datapath = await SocketDatapath.start(OPTIONS)
    const seen = new HealthSeen(datapath)
    await server.each('socket l 4 tcp', 'bind l 127.0.0.1 80')
    await client.say('socket c 4 tcp')
    for (let i = 0; i < 3; i++) t.match(await client.attempt('connect c 127.0.0.1 80'), { error: 'ECONNREFUSED' })
    await server.say('listen l')
    await client.say('connect c 127.0.0.1 80')
    await client.say('disconnect c')
    await server.say('close l')
    for (let i = 0; i < 3; i++) t.match(await client.attempt('connect c 127.0.0.1 80'), { error: 'ECONNREFUSED' })
    t.same((await seen.collect()).failures(cgroups.client), { 'client 6 80 loopback refused': 6 })
    const times = seen.of(cgroups.client).get('client 6 80 loopback')
    t.same(times && [samples(times.connect), samples(times.rtt)], [1, 1], 'times of the one that was established')
  }),
)

t.test(
  'Fast Open: refused with data in the SYN, and given up before the SYN has left',
  onSite(async (t, site) => {
    const [cgroup, namespace] = [site.cgroup('client'), site.namespace('fast')]
    namespace.sysctl('net.ipv4.tcp_fastopen', '5') // no cookie asked for
    const client = site.agent({ cgroup, namespace })
    await using datapath = await SocketDatapath.start(OPTIONS)
    const seen = new HealthSeen(datapath)
    await client.say('socket c 4 tcp')
    t.match(await client.attempt('fastopen c 127.0.0.1 80 100'), { error: 'ECONNREFUSED' })
    await client.each('socket d 4 tcp', 'option d fastopenconnect 1', 'connect d 127.0.0.1 81', 'close d')
    t.same((await seen.collect()).failures(cgroup), { 'client 6 80 loopback refused': 1, 'client 6 81 loopback aborted': 1 })
  }),
)

t.test(
  'MPTCP: its subflow is refused once',
  onSite(async (t, site) => {
    const [cgroup, namespace] = [site.cgroup('client'), site.namespace('mptcp')]
    const client = site.agent({ cgroup, namespace })
    await using datapath = await SocketDatapath.start(OPTIONS)
    const seen = new HealthSeen(datapath)
    if (!(await client.attempt('socket c 4 mptcp')).ok) {
      t.pass('this kernel has none')
      return
    }
    t.match(await client.attempt('connect c 127.0.0.1 80'), { error: 'ECONNREFUSED' })
    t.same((await seen.collect()).failures(cgroup), { 'client 6 80 loopback refused': 1 })
  }),
)

t.test(
  'attempts that found no room among the sockets, or are older than us, are told once too',
  { skip: has('nft') ? false : 'no nft' },
  onSite(async (t, site) => {
    const [cgroup, hosts] = [site.cgroup('client'), twoHosts(site)]
    fate(hosts, 'tcp dport 81 drop')
    const client = site.agent({ cgroup, namespace: hosts.clientIn })
    for (let i = 0; i < 5; i++) await begin(client, `old${i}`, SERVER, 81)
    await using datapath = await SocketDatapath.start({ ...OPTIONS, sockets: 1 })
    const seen = new HealthSeen(datapath)
    for (let i = 0; i < 5; i++) await client.say(`close old${i}`)
    t.same((await seen.collect()).failures(cgroup), { 'client 6 81 address aborted': 5 })
    const place = { cgroup, namespace: hosts.clientIn }
    await site.bulk(place, 'connect', { address: SERVER, port: 9, connections: 100, threads: 4 }).figures()
    t.same((await seen.collect()).failures(cgroup), { 'client 6 81 address aborted': 5, 'client 6 9 address refused': 100 })
  }),
)

t.test(
  'a full map of health loses no failure: the container keeps them, and the node what the container cannot',
  { skip: has('nft') ? false : 'no nft' },
  onSite(async (t, site) => {
    const hosts = twoHosts(site)
    fate(hosts, 'tcp dport 1-50 drop')
    const port = Array.from({ length: 50 }, (_, i) => i + 1).join(',')
    for (const healthSpillEntries of [64, 1]) {
      const cgroups = [site.cgroup('one'), site.cgroup('two')]
      await using datapath = await SocketDatapath.start({ ...OPTIONS, healthEntries: 4, healthSpillEntries })
      const seen = new HealthSeen(datapath)
      for (const cgroup of cgroups) {
        const attempts = { address: SERVER, port, connections: 500, threads: 4, end: 'abort' }
        await site.bulk({ cgroup, namespace: hosts.clientIn }, 'connect', attempts).figures()
      }
      await seen.collect()
      const kept = cgroups.map((cgroup) => seen.failed(cgroup, 'aborted'))
      const lost = decodeHealth(datapath.totals().nodeHealth, 0).failed[CONNECT_FAILURES.indexOf('aborted')] ?? 0
      const all = kept.reduce((sum, count) => sum + count, lost)
      t.equal(all, 1000, `${kept} by container, ${lost} by node`)
      t.equal(lost > 0, healthSpillEntries === 1)
      t.ok(datapath.totals().overflowHealth >= 800, `${datapath.totals().overflowHealth} times without room`)
      t.ok(cgroups.some((cgroup) => seen.of(cgroup).has('unknown 6 0 overflow')) || healthSpillEntries === 1)
    }
  }),
)

t.test(
  '10,000 refused and 2,000 aborted on two CPUs, in the midst of connections and walks: none twice, none lost',
  { skip: has('nft') ? false : 'no nft' },
  onSite(async (t, site) => {
    const [cgroups, namespace] = [{ server: site.cgroup('server'), client: site.cgroup('client') }, site.namespace('steered')]
    // As a network card does: what one CPU sends, the other receives, in the midst of whatever runs there.
    namespace.run('sh', '-c', 'echo 3 > /sys/class/net/lo/queues/rx-0/rps_cpus')
    fate({ serverIn: namespace }, 'tcp dport 81 drop')
    const served = site.bulk({ cgroup: cgroups.server, namespace }, 'serve', { address: '0.0.0.0', port: 80, threads: 4 })
    await served.ports()
    await using datapath = await SocketDatapath.start(OPTIONS)
    const seen = new HealthSeen(datapath)
    const place = { cgroup: cgroups.client, namespace }
    const dialled = site.bulk(place, 'connect', { addresses: 8, port: '80,9', connections: 20_000, threads: 4, up: 50, down: 50 })
    const given = site.bulk(place, 'connect', { port: 81, connections: 2000, threads: 2, end: 'abort' })
    let over = false
    const walking = (async () => {
      while (!over) await seen.collect()
    })()
    const [{ connections, failures }] = await Promise.all([dialled.figures(), given.figures()])
    over = true
    await walking
    await served.stop()
    await seen.collect()
    t.same([connections, failures], [10_000, 10_000], 'one half was refused')
    t.same(seen.failures(cgroups.client), { 'client 6 9 loopback refused': 10_000, 'client 6 81 loopback aborted': 2000 })
    const times = seen.of(cgroups.client).get('client 6 80 loopback')
    t.equal(times && samples(times.connect), 10_000, 'and each that was made took its time')
  }),
)
