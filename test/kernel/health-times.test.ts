// Round-trip and connect times against what the kernel and the clock say, and how often each is told.
import t from 'tap'
import { SocketDatapath } from '../../src/kernel/socket-datapath.ts'
import { TIME_BUCKETS } from '../../src/metrics.ts'
import type { HealthCounts } from '../../src/model.ts'
import { CGROUP_ROOT } from '../harness/cgroups.ts'
import { HealthSeen, samples } from '../harness/health.ts'
import { has } from '../harness/namespaces.ts'
import { onSite } from '../harness/site.ts'
import { close, connect, exchange } from '../harness/streams.ts'

/** Samples of round-trip and of connect times. */
const told = (health: HealthCounts | undefined): number[] => (health === undefined ? [] : [samples(health.rtt), samples(health.connect)])

const OPTIONS = { cgroupRoot: CGROUP_ROOT, flowEntries: 4096, sockets: 65536 }

t.test(
  'a round-trip time is sampled at each collection that finds something new, and at the end',
  onSite(async (t, site) => {
    const [cgroups, namespace] = [{ server: site.cgroup('server'), client: site.cgroup('client') }, site.namespace('times')]
    const server = site.agent({ cgroup: cgroups.server, namespace })
    const client = site.agent({ cgroup: cgroups.client, namespace })
    await using datapath = await SocketDatapath.start(OPTIONS)
    const seen = new HealthSeen(datapath)
    const port = await connect(server, client)
    const times = () => seen.of(cgroups.client).get(`client 6 ${port} loopback`)
    let us = 0
    for (let round = 1; round <= 3; round++) {
      await exchange(server, client, 1000, 1000)
      us += (await client.say('info c')).rtt
      await seen.collect()
      t.equal(Math.round((times()?.rtt.sum ?? 0) * 1e6), us, 'as TCP_INFO tells it')
      await seen.collect()
      t.same(told(times()), [round, 1], 'one a round, none where nothing was new, and the connect time once')
    }
    await close(server, client)
    await seen.collect()
    t.same(told(times()), [4, 1], 'one more at the end')
    t.same(told(seen.of(cgroups.server).get(`server 6 ${port} loopback`)), [4, 0], 'the server has no connect time')
  }),
)

t.test(
  'connect time runs from the first SYN on, also where that was lost',
  { skip: has('nft') ? false : 'no nft' },
  onSite(async (t, site) => {
    const [cgroups, namespace] = [{ server: site.cgroup('server'), client: site.cgroup('client') }, site.namespace('slow')]
    // Every third SYN gets through: after 2 s, or 3 s where the kernel doubles its patience from the start.
    const chain = 'add table inet o8; add chain inet o8 in { type filter hook input priority 0; }'
    namespace.run('nft', `${chain}; add rule inet o8 in tcp flags & (syn|ack) == syn numgen inc mod 3 != 2 drop`)
    const server = site.agent({ cgroup: cgroups.server, namespace })
    const client = site.agent({ cgroup: cgroups.client, namespace })
    await using datapath = await SocketDatapath.start(OPTIONS)
    const seen = new HealthSeen(datapath)
    const started = performance.now()
    const port = await connect(server, client)
    const took = (performance.now() - started) / 1000
    await close(server, client)
    await seen.collect()
    const times = seen.of(cgroups.client).get(`client 6 ${port} loopback`)
    t.same(times?.connect.buckets, [0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0], 'above 1.05 s, up to 4.2 s')
    const sum = times?.connect.sum ?? 0
    t.ok(sum > 1.9 && sum <= took, `${sum} s of ${took} s`)
  }),
)

t.test(
  'with TCP_FASTOPEN_CONNECT the SYN leaves at the first write, and the time runs from there',
  onSite(async (t, site) => {
    const [cgroups, namespace] = [{ server: site.cgroup('server'), client: site.cgroup('client') }, site.namespace('deferred')]
    namespace.sysctl('net.ipv4.tcp_fastopen', '5') // no cookie asked for
    const server = site.agent({ cgroup: cgroups.server, namespace })
    const client = site.agent({ cgroup: cgroups.client, namespace })
    await using datapath = await SocketDatapath.start(OPTIONS)
    const seen = new HealthSeen(datapath)
    await server.each('socket l 4 tcp', 'bind l 127.0.0.1 80', 'listen l')
    await client.each('socket c 4 tcp', 'option c fastopenconnect 1', 'connect c 127.0.0.1 80')
    await new Promise((resolve) => setTimeout(resolve, 1000))
    await client.each('write c 10', 'close c')
    await seen.collect()
    const { connect } = seen.of(cgroups.client).get('client 6 80 loopback') ?? {}
    t.equal(connect && samples(connect), 1)
    t.ok((connect?.sum ?? 1) < 1, `${connect?.sum} s`)
  }),
)

t.test(
  'a connection older than us has round-trip times and no connect time',
  onSite(async (t, site) => {
    const [cgroups, namespace] = [{ server: site.cgroup('server'), client: site.cgroup('client') }, site.namespace('old')]
    const server = site.agent({ cgroup: cgroups.server, namespace })
    const client = site.agent({ cgroup: cgroups.client, namespace })
    const port = await connect(server, client)
    await using datapath = await SocketDatapath.start(OPTIONS)
    const seen = new HealthSeen(datapath)
    await seen.collect() // what is adopted is told
    await exchange(server, client, 1000, 1000)
    await close(server, client)
    await seen.collect()
    t.same(told(seen.of(cgroups.client).get(`client 6 ${port} loopback`)), [2, 0])
  }),
)

t.test(
  '5,000 short connections that nobody walks over: a sample each, at both ends',
  onSite(async (t, site) => {
    const [cgroups, namespace] = [{ server: site.cgroup('server'), client: site.cgroup('client') }, site.namespace('many')]
    await using datapath = await SocketDatapath.start(OPTIONS)
    const seen = new HealthSeen(datapath)
    const served = site.bulk({ cgroup: cgroups.server, namespace }, 'serve', { port: 80, threads: 4 })
    await served.ports()
    const dialled = site.bulk({ cgroup: cgroups.client, namespace }, 'connect', {
      port: 80,
      connections: 5000,
      threads: 4,
      up: 50,
      down: 50,
    })
    t.same((await dialled.figures()).failures, 0)
    await served.stop()
    await seen.collect()
    const [one, other] = [seen.of(cgroups.client).get('client 6 80 loopback'), seen.of(cgroups.server).get('server 6 80 loopback')]
    t.same(
      [told(one), told(other)],
      [
        [5000, 5000],
        [5000, 0],
      ],
    )
    for (const times of [one?.rtt, one?.connect, other?.rtt]) {
      const { least, most } = bounds(times?.buckets ?? [])
      const sum = times?.sum ?? 0
      t.ok(least <= sum && sum <= most, `${least} <= ${sum} <= ${most}`)
    }
  }),
)

/** No sum is outside of what its buckets allow. */
function bounds(buckets: readonly number[]): { least: number; most: number } {
  const [lower, upper] = [
    [0, ...TIME_BUCKETS],
    [...TIME_BUCKETS, Number.MAX_VALUE],
  ]
  const total = (edges: readonly number[]): number => buckets.reduce((sum, count, i) => sum + count * (edges[i] ?? 0), 0)
  return { least: total(lower), most: total(upper) }
}
