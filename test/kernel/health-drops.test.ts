// What listeners and datagram sockets turn away for want of room, against the kernel's own counters of a namespace.
import t from 'tap'
import { SocketDatapath } from '../../src/kernel/socket-datapath.ts'
import { CGROUP_ROOT } from '../harness/cgroups.ts'
import { HealthSeen } from '../harness/health.ts'
import { has, type Namespace } from '../harness/namespaces.ts'
import { onSite } from '../harness/site.ts'

const OPTIONS = { cgroupRoot: CGROUP_ROOT, flowEntries: 4096, sockets: 65536 }

/** Of /proc/net/netstat or snmp, where a line of names is followed by one of numbers; of snmp6, where each has a line. */
function counter(namespace: Namespace, file: string, group: string, name: string): number {
  const lines = namespace.run('cat', `/proc/net/${file}`).split('\n')
  const alone = lines.find((line) => line.startsWith(`${group}${name} `))
  if (alone !== undefined) return Number(alone.split(/\s+/)[1])
  const [names = [], numbers = []] = lines.filter((line) => line.startsWith(`${group}:`)).map((line) => line.split(' '))
  return Number(numbers[names.indexOf(name)])
}

interface Crowd {
  readonly name: string
  readonly sysctls?: Readonly<Record<string, string>>
  /** Of loopback: so slow that all SYNs come before the first answer. */
  readonly slow?: true
  readonly kind?: 'tcp' | 'mptcp'
  readonly family?: 4 | 6
  readonly deferAccept?: true
  /** So many clients' handshakes end only when the queue is full. */
  readonly late?: number
  readonly least: number
}

const CROWDS: readonly Crowd[] = [
  { name: 'a full accept queue', least: 20 },
  { name: 'a full accept queue, over IPv6', family: 6, least: 20 },
  { name: 'a full accept queue, SYN cookies for all', sysctls: { tcp_syncookies: '2' }, least: 20 },
  { name: 'a full accept queue, without SYN cookies', sysctls: { tcp_syncookies: '0' }, least: 20 },
  { name: 'a queue that is full only when the handshake ends', late: 3, least: 23 },
  { name: 'the same for SYN cookies', slow: true, sysctls: { tcp_syncookies: '2' }, least: 20 },
  { name: 'the same where the kernel resets', slow: true, sysctls: { tcp_abort_on_overflow: '1', tcp_syncookies: '2' }, least: 20 },
  { name: 'a Multipath TCP listener', kind: 'mptcp', least: 20 },
  { name: 'a listener that waits for data is not full', deferAccept: true, least: 0 },
]

for (const { name, sysctls = {}, slow, kind = 'tcp', family = 4, deferAccept, late = 0, least } of CROWDS) {
  t.test(
    `listen overflows: ${name}`,
    { skip: late === 0 || has('nft') ? false : 'no nft' },
    onSite(async (t, site) => {
      const [cgroups, namespace] = [{ server: site.cgroup('server'), client: site.cgroup('client') }, site.namespace('crowd')]
      for (const [key, value] of Object.entries(sysctls)) namespace.sysctl(`net.ipv4.${key}`, value)
      if (slow) namespace.run('tc', 'qdisc', 'add', 'dev', 'lo', 'root', 'tbf', 'rate', '1mbit', 'burst', '1600', 'limit', '300000')
      const server = site.agent({ cgroup: cgroups.server, namespace })
      const client = site.agent({ cgroup: cgroups.client, namespace })
      if (kind === 'mptcp' && !(await server.attempt('socket try 4 mptcp')).ok) {
        t.pass('this kernel has none')
        return
      }
      const at = family === 6 ? '::1' : '127.0.0.1'
      await server.each(`socket l ${family} ${kind}`, `bind l ${at} 80`)
      if (deferAccept) await server.say('option l deferaccept 5')
      await server.say(`listen l ${deferAccept ? 100 : 4}`)
      await using datapath = await SocketDatapath.start(OPTIONS)
      const seen = new HealthSeen(datapath)
      if (late > 0) {
        const chain = 'add table inet o8; add chain inet o8 in { type filter hook input priority 0; }'
        namespace.run('nft', `${chain}; add rule inet o8 in tcp sport 20000-20009 tcp flags & (syn|ack) == ack drop`)
        for (let i = 0; i < late; i++) await client.each(`socket l${i} 4 tcp`, `bind l${i} ${at} ${20000 + i}`, `connect l${i} ${at} 80`)
      }
      for (let i = 0; i < 30; i++) await client.each(`socket c${i} ${family} tcp`, `begin c${i} ${at} 80`)
      if (late > 0) namespace.run('nft', 'delete table inet o8')
      await new Promise((resolve) => setTimeout(resolve, 1300)) // SYNs and answers again
      for (let i = 0; i < 30; i++) await client.say(`close c${i}`)
      await new Promise((resolve) => setTimeout(resolve, slow ? 500 : 50))
      await server.say('close l')
      await seen.collect()
      const told = counter(namespace, 'netstat', 'TcpExt', 'ListenOverflows')
      const counted = [...seen.of(cgroups.server)].map(([at, { listenOverflows }]) => [at, listenOverflows]).filter(([, n]) => n !== 0)
      t.same(counted, told === 0 ? [] : [['server 6 80 none', told]], 'as the kernel counts them in this namespace')
      t.ok(told >= least, `${told}`)
    }),
  )
}

for (const [family, file, group, name] of [
  [4, 'snmp', 'Udp', 'RcvbufErrors'],
  [6, 'snmp6', 'Udp6', 'RcvbufErrors'],
] as const) {
  t.test(
    `datagrams that find the receive buffer full, over IPv${family}`,
    onSite(async (t, site) => {
      const [cgroups, namespace] = [{ server: site.cgroup('server'), client: site.cgroup('client') }, site.namespace('full')]
      const server = site.agent({ cgroup: cgroups.server, namespace })
      const client = site.agent({ cgroup: cgroups.client, namespace })
      await using datapath = await SocketDatapath.start(OPTIONS)
      const seen = new HealthSeen(datapath)
      const at = family === 6 ? '::1' : '127.0.0.1'
      await server.each(`socket s ${family} udp`, `bind s ${at} 53`, 'option s rcvbuf 4096')
      await client.each(`socket c ${family} udp`, `sendto c ${at} 53 500 400`)
      // The other way: answers to a client that does not read them.
      await client.each('option c rcvbuf 4096', `socket d ${family} udp`, `connect d ${at} 53`, 'option d rcvbuf 4096', 'send d 10')
      await seen.collect()
      const told = counter(namespace, file, group, name)
      t.ok(told > 300 && told < 401, `${told} of 401`)
      t.same(
        [...seen.of(cgroups.server)].map(([at, { receiveDrops }]) => [at, receiveDrops]),
        [['server 17 53 none', told]],
      )
    }),
  )
}

t.test(
  'where nobody has read for 20 minutes nothing new is kept, until somebody does',
  onSite(async (t, site) => {
    const [cgroups, namespace] = [{ server: site.cgroup('server'), client: site.cgroup('client') }, site.namespace('rest')]
    const server = site.agent({ cgroup: cgroups.server, namespace })
    const client = site.agent({ cgroup: cgroups.client, namespace })
    let awayNs = 20n * 60_000_000_000n
    await using datapath = await SocketDatapath.start({ ...OPTIONS, now: () => process.hrtime.bigint() - awayNs })
    await datapath.beat()
    const seen = new HealthSeen(datapath)
    const trouble = async (round: number): Promise<void> => {
      await server.each(`socket l${round} 4 tcp`, `bind l${round} 127.0.0.1 80`, `listen l${round} 1`)
      for (let i = 0; i < 6; i++) await client.each(`socket c${i} 4 tcp`, `begin c${i} 127.0.0.1 80`)
      for (let i = 0; i < 6; i++) await client.say(`close c${i}`)
      await server.each(`close l${round}`, `socket s${round} 4 udp`, `bind s${round} 127.0.0.1 53`, `option s${round} rcvbuf 4096`)
      await client.each('socket u 4 udp', 'sendto u 127.0.0.1 53 500 100', 'close u')
      await server.say(`close s${round}`)
      await site.bulk({ cgroup: cgroups.client, namespace }, 'connect', { port: 9, connections: 50 }).figures()
    }
    const told = () => ({
      overflows: seen.of(cgroups.server).get('server 6 80 none')?.listenOverflows ?? 0,
      drops: seen.of(cgroups.server).get('server 17 53 none')?.receiveDrops ?? 0,
      refused: seen.failed(cgroups.client, 'refused'),
    })
    await trouble(1)
    await seen.collect()
    t.same(told(), { overflows: 0, drops: 0, refused: 0 })
    awayNs = 0n
    await datapath.beat()
    await trouble(2)
    await seen.collect()
    const { overflows, drops, refused } = told()
    t.equal(refused, 50)
    t.ok(overflows > 0 && drops > 50, `${overflows} overflows, ${drops} drops`)
  }),
)
