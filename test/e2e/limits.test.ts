// What finds no room is folded together, never lost: sums by container stay exact, and what was folded is counted.
import t from 'tap'
import { ended, twoEnds } from '../harness/ends.ts'
import { matching, type Scrape, sum } from '../harness/exposition.ts'
import { flowsOf, type Row, totalsOf } from '../harness/flows.ts'
import { wire } from '../harness/namespaces.ts'
import { onSite } from '../harness/site.ts'
import { close, connect, exchange } from '../harness/streams.ts'

const PEERS = 5000

interface Whole {
  sent: number
  received: number
  opened: number
  closed: number
  open: number
  totals: Record<string, number>
}

/** Everything of a workload in one row, and the same from its container totals. */
function wholeOf(scrape: Scrape, cgroup: { workload: string }): Whole {
  const whole = { sent: 0, received: 0, opened: 0, closed: 0, open: 0 }
  for (const row of Object.values(flowsOf(scrape, cgroup))) {
    whole.sent += row.sent
    whole.received += row.received
    whole.opened += row.opened ?? 0
    whole.closed += row.closed ?? 0
    whole.open += row.open ?? 0
  }
  return { ...whole, totals: totalsOf(scrape, cgroup) }
}

const whole = (sent: number, received: number, connections: number): Whole => ({
  sent,
  received,
  opened: connections,
  closed: connections,
  open: 0,
  totals: { 'egress tcp': sent, 'ingress tcp': received },
})

t.test(
  'ORB8_FLOW_ENTRIES=1024 and 5,000 peers: sums by container are exact, and the overflow is counted',
  onSite(async (t, site) => {
    const [left, right] = [site.namespace('client'), site.namespace('server')]
    wire(left, right, [['10.11.0.1/24', '10.11.0.2/24']])
    left.run('ip', 'route', 'add', '10.32.0.0/16', 'via', '10.11.0.2')
    right.run('ip', 'route', 'add', 'local', '10.32.0.0/16', 'dev', 'lo')
    const cgroups = { server: site.cgroup('server'), client: site.cgroup('client') }
    // Nothing is drained before all is over.
    const exporter = await site.exporter({ env: { ORB8_FLOW_ENTRIES: '1024', ORB8_COLLECT_INTERVAL: '1h' } })
    const served = site.bulk({ cgroup: cgroups.server, namespace: right }, 'serve', { address: '0.0.0.0', port: 0, threads: 4 })
    const [port = 0] = await served.ports()
    const dialled = site.bulk({ cgroup: cgroups.client, namespace: left }, 'connect', {
      address: '10.32.1.0',
      addresses: PEERS,
      port,
      connections: PEERS,
      threads: 4,
      up: 100,
      down: 300,
      spread: true,
    })
    const client = await dialled.figures()
    const server = await served.stop()
    t.match(client, { connections: PEERS, failures: 0 })
    const wanted = { client: whole(client.written, client.read, PEERS), server: whole(server.written, server.read, PEERS) }
    const read = (scrape: Scrape) => ({ client: wholeOf(scrape, cgroups.client), server: wholeOf(scrape, cgroups.server) })
    t.same(await exporter.settled(wanted, read), wanted, 'exact')

    const scrape = await exporter.scrape()
    const folded = sum(scrape, 'orb8_flow_bytes_total', { peer_kind: 'overflow' })
    t.ok(folded > 0, `${folded} bytes are told as overflow`)
    t.equal(sum(scrape, 'orb8_flow_overflow_bytes_total'), folded, 'as many as the counter says')
    t.ok(sum(scrape, 'orb8_flow_overflow_total') >= 2 * (PEERS - 1024), 'flows that found no room')
    for (const { labels } of matching(scrape, 'orb8_flow_bytes_total', { peer_kind: 'overflow' })) {
      t.match(labels, { role: 'unknown', port: '0', protocol: 'tcp' }, `${labels.workload}`)
    }
    t.equal(sum(scrape, 'orb8_bpf_map_capacity', { map: 'flows' }), 1024)

    const late = { server: site.cgroup('late-server'), client: site.cgroup('late-client') }
    const ends = [site.agent({ cgroup: late.server, namespace: right }), site.agent({ cgroup: late.client, namespace: left })] as const
    const next = await connect(...ends, { at: '0.0.0.0', to: '10.32.9.9' })
    await exchange(...ends, 5, 6)
    await close(...ends)
    const own = { [`client tcp ${next} external`]: ended(5, 6) }
    t.same(await exporter.settled(own, (scrape) => flowsOf(scrape, late.client)), own, 'drained, the map has room again')
  }),
)

t.test(
  'ORB8_SERIES_LIMIT=8: sums by container are exact, what passes the limit is told as other',
  onSite(async (t, site) => {
    const cgroups = { server: site.cgroup('server'), client: site.cgroup('client') }
    const exporter = await site.exporter({ env: { ORB8_SERIES_LIMIT: '8' } })
    const served = site.bulk({ cgroup: cgroups.server }, 'serve', { address: '127.0.0.1', port: Array(20).fill(0).join(','), threads: 4 })
    const ports = await served.ports()
    const options = { port: ports.join(','), connections: 400, threads: 4, up: 100, down: 300, spread: true } as const
    const first = await site.bulk({ cgroup: cgroups.client }, 'connect', options).figures()
    await exporter.scrape()
    const second = await site.bulk({ cgroup: cgroups.client }, 'connect', options).figures()
    const server = await served.stop()
    const wanted = {
      client: whole(first.written + second.written, first.read + second.read, 800),
      server: whole(server.written, server.read, 800),
    }
    const read = (scrape: Scrape) => ({ client: wholeOf(scrape, cgroups.client), server: wholeOf(scrape, cgroups.server) })
    t.same(await exporter.settled(wanted, read), wanted, 'exact')

    const scrape = await exporter.scrape()
    t.ok(sum(scrape, 'orb8_series') <= 8, 'within the limit')
    t.ok(sum(scrape, 'orb8_series_overflow_total') > 0, 'what passed it is counted')
    for (const cgroup of Object.values(cgroups)) {
      const [other] = matching(scrape, 'orb8_flow_bytes_total', { workload: cgroup.workload, peer_kind: 'other' })
      t.match(other?.labels, { role: 'unknown', port: '0', protocol: 'tcp', peer_namespace: '', peer_workload: '', peer_zone: '' })
    }
    const counted = (name: string): number =>
      scrape.samples.filter((sample) => sample.name === name && !['other', 'overflow'].includes(sample.labels.peer_kind ?? '')).length
    const lines = [
      'orb8_flow_bytes_total',
      'orb8_flow_packets_total',
      'orb8_active_flows',
      'orb8_tcp_connections_opened_total',
      'orb8_tcp_connections_closed_total',
      'orb8_tcp_retransmitted_segments_total',
    ]
    t.ok(lines.reduce((total, name) => total + counted(name), 0) <= 8, 'lines outside other')
  }),
)

t.test(
  'ORB8_SOCKETS=50: sockets beyond it are told as untracked, those within count exactly',
  onSite(async (t, site) => {
    const cgroups = { server: site.cgroup('server'), client: site.cgroup('client') }
    const exporter = await site.exporter({ env: { ORB8_SOCKETS: '50' } })
    const served = site.bulk({ cgroup: cgroups.server }, 'serve', { address: '127.0.0.1', port: 0, hold: true })
    const [port = 0] = await served.ports()
    const holding = site.bulk({ cgroup: cgroups.client }, 'hold', { port, connections: 200 })
    t.equal((await holding.figures()).connections, 200)
    const scrape = await exporter.scrape()
    const tracked = sum(scrape, 'orb8_sockets_tracked')
    t.ok(tracked <= 52 && tracked > 40, `${tracked} are tracked`)
    const untracked = sum(scrape, 'orb8_sockets_untracked_total', { reason: 'limit' })
    t.ok(untracked >= 350 && untracked < 400, `the rest is counted, each once: ${untracked}`)
    await Promise.all([holding.end(), served.end()])
    const mine = await exporter.settled(0, (scrape) => sum(scrape, 'orb8_active_flows', { workload: cgroups.client.workload }))
    t.equal(mine, 0, 'none stays open')
  }),
)

t.test(
  'ORB8_FLOW_LABELS sums away what is left out, and still writes namespace, pod and container',
  onSite(async (t, site) => {
    const { server, client, cgroups, exporter } = await twoEnds(t, site, { env: { ORB8_FLOW_LABELS: 'workload,direction' } })
    for (const [up, down] of [
      [10, 20],
      [300, 400],
    ] as const) {
      await connect(server, client)
      await exchange(server, client, up, down)
      await close(server, client)
    }
    const read = (scrape: Scrape) =>
      matching(scrape, 'orb8_flow_bytes_total', { workload: cgroups.client.workload }).map(({ labels, value }) => ({ ...labels, value }))
    const label = { namespace: '', pod: '', container: '', workload: cgroups.client.workload }
    const wanted = [
      { ...label, direction: 'egress', value: 310 },
      { ...label, direction: 'ingress', value: 420 },
    ]
    const sorted = (scrape: Scrape) => read(scrape).sort((a, b) => a.value - b.value)
    t.same(await exporter.settled(wanted, sorted), wanted)
  }),
)

t.test(
  'public peers are one external row, those in a named network a row by its name',
  onSite(async (t, site) => {
    const [left, right] = [site.namespace('client'), site.namespace('server')]
    wire(left, right, [['10.11.0.1/24', '10.11.0.2/24']])
    for (const net of ['203.0.113.0/24', '198.51.100.0/24', '172.20.0.0/16']) {
      left.run('ip', 'route', 'add', net, 'via', '10.11.0.2')
      right.run('ip', 'route', 'add', 'local', net, 'dev', 'lo')
    }
    const env = { ORB8_CIDRS: 'office=198.51.100.0/25,lab=172.20.0.0/16' }
    const { server, client, cgroups, exporter } = await twoEnds(t, site, { serverIn: right, clientIn: left, env })
    await server.each('socket s 4 udp', 'bind s 0.0.0.0 5001', 'socket c 4 udp')
    await client.say('socket c 4 udp')
    for (const [at, size] of [
      ['203.0.113.1', 1],
      ['203.0.113.77', 2],
      ['198.51.100.200', 4],
      ['198.51.100.100', 10],
      ['198.51.100.101', 20],
      ['172.20.3.4', 100],
      ['10.11.0.2', 1000],
    ] as const) {
      await client.say(`sendto c ${at} 5001 ${size}`)
    }
    await server.say('recv s 7')
    const row = (sent: number, sentPackets: number): Row => ({ sent, received: 0, sentPackets, receivedPackets: 0 })
    const wanted = {
      'client udp 5001 external': row(1007, 4),
      'client udp 5001 external office': row(30, 2),
      'client udp 5001 external lab': row(100, 1),
    }
    t.same(await exporter.settled(wanted, (scrape) => flowsOf(scrape, cgroups.client)), wanted)
  }),
)
