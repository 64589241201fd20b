// What breaks around a running exporter costs what was broken and nothing else: it goes on, counts exactly, and says what happened.
import { readdirSync, rmdirSync, unlinkSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Bpffs } from '../harness/bpffs.ts'
import { ended, expectRows, still, twoEnds } from '../harness/ends.ts'
import type { Exporter } from '../harness/exporter.ts'
import { type Scrape, sum } from '../harness/exposition.ts'
import { flowsOf, totalsOf, untracked, whole } from '../harness/flows.ts'
import { wire } from '../harness/namespaces.ts'
import { onSite } from '../harness/site.ts'
import { close, connect, exchange } from '../harness/streams.ts'
import type { Agent } from '../harness/traffic.ts'

const saying = (exporter: Exporter, words: RegExp): readonly string[] => exporter.log.filter((line) => words.test(line))

/** Series of a chunk of the ledger, and more: it has to grow. */
const MANY = 1200

async function toManyPorts(agent: Agent): Promise<void> {
  await agent.say('socket m 4 udp')
  for (let port = 30_000; port < 30_000 + MANY; port++) await agent.say(`sendto m 127.0.0.1 ${port} 10`)
}

const GONE: Readonly<Record<string, (bpffs: Bpffs) => void>> = {
  'the pin directory deleted': ({ pins }) => {
    for (const name of readdirSync(pins)) unlinkSync(join(pins, name))
    rmdirSync(pins)
  },
  'its bpffs unmounted': ({ unmount }) => unmount(),
}

for (const [what, take] of Object.entries(GONE)) {
  t.test(
    `${what} under a running exporter: it counts on, says so once, and the next begins at 0`,
    onSite(async (t, site) => {
      const bpffs = site.bpffs()
      const { pins } = bpffs
      const args = ['--pin-path', pins]
      const { server, client, cgroups, exporter } = await twoEnds(t, site, { args: [...args, '--collect-interval', '1s'] })
      const port = await connect(server, client)
      await exchange(server, client, 1000, 300)
      const key = `client tcp ${port} loopback`
      await exporter.settled({ [key]: still(1000, 300) }, (scrape) => flowsOf(scrape, cgroups.client))
      take(bpffs)
      await exchange(server, client, 20, 5)
      t.same(await exporter.settled({ [key]: still(1020, 305) }, (scrape) => flowsOf(scrape, cgroups.client)), { [key]: still(1020, 305) })
      await toManyPorts(client)
      const sent = { 'egress tcp': 1020, 'egress udp': MANY * 10, 'ingress tcp': 305, 'ingress udp': 0 }
      t.same(await exporter.settled(sent, (scrape) => totalsOf(scrape, cgroups.client)), sent, 'also what needs more of the ledger')
      t.equal(sum(await exporter.scrape(), 'orb8_series_overflow_total'), 0, 'each in a series of its own')
      await exporter.scrape()
      t.equal(saying(exporter, /the pins have been removed/).length, 1, 'said once')
      t.same(await exporter.stop(), { code: 0, signal: null })
      exporter.dead = true

      const next = await site.exporter({ args: what.includes('unmounted') ? ['--pin-path', site.bpffs().pins] : args })
      t.match(saying(next, /every counter starts at 0/), [/there is none yet/])
      await exchange(server, client, 7, 0)
      await expectRows(t, next, cgroups)(
        { [`server tcp ${port} loopback`]: { ...still(0, 7), opened: 0 } },
        { [key]: { ...still(7, 0), opened: 0 } },
        'the connection that is still open is taken up',
      )
    }),
  )
}

t.test(
  'a full flow map, and an exporter killed before it was ever drained: sums by container are exact over the restart',
  onSite(async (t, site) => {
    const { pins } = site.bpffs()
    const options = { args: ['--pin-path', pins], env: { ORB8_FLOW_ENTRIES: '1024', ORB8_COLLECT_INTERVAL: '1h' } }
    const cgroups = { server: site.cgroup('server'), client: site.cgroup('client') }
    const wanted = {
      server: { sent: 0, received: 0, opened: 0, closed: 0, open: 0 },
      client: { sent: 0, received: 0, opened: 0, closed: 0, open: 0 },
    }
    const read = (scrape: Scrape) => ({ server: whole(scrape, cgroups.server), client: whole(scrape, cgroups.client) })
    let folded = 0
    for (let life = 0; life < 3; life++) {
      const exporter = await site.exporter(options)
      t.same(await exporter.settled(wanted, read), wanted, `life ${life}`)
      folded = sum(await exporter.scrape(), 'orb8_flow_overflow_bytes_total')
      t.equal(sum(await exporter.scrape(), 'orb8_flow_bytes_total', { peer_kind: 'overflow' }), folded, 'the overflow is told as such')
      const [left, right] = [site.namespace('client'), site.namespace('server')]
      wire(left, right, [['10.11.0.1/24', '10.11.0.2/24']])
      left.run('ip', 'route', 'add', '10.32.0.0/16', 'via', '10.11.0.2')
      right.run('ip', 'route', 'add', 'local', '10.32.0.0/16', 'dev', 'lo')
      const served = site.bulk({ cgroup: cgroups.server, namespace: right }, 'serve', { address: '0.0.0.0', port: 0, threads: 2 })
      const [port = 0] = await served.ports()
      const peers = { address: '10.32.1.0', addresses: 1500, connections: 1500 }
      const dialled = site.bulk({ cgroup: cgroups.client, namespace: left }, 'connect', { ...peers, port, threads: 2, up: 50, down: 70 })
      const [there, here] = [await dialled.figures(), await served.stop()]
      t.match([there, here], [{ failures: 0 }, { failures: 0 }])
      for (const [end, { written, read, connections }] of [
        ['client', there],
        ['server', here],
      ] as const) {
        wanted[end].sent += written
        wanted[end].received += read
        wanted[end].opened += connections
        wanted[end].closed += connections
      }
      await exporter.die()
    }
    const last = await site.exporter(options)
    t.same(await last.settled(wanted, read), wanted, 'the last')
    t.ok(sum(await last.scrape(), 'orb8_flow_overflow_bytes_total') > folded && folded > 0, 'it overflowed each time')
  }),
)

t.test(
  'sockets whose own memory has no room for storage are told as such, all others are exact',
  onSite(async (t, site) => {
    const poor = site.namespace('poor')
    poor.sysctl('net.core.optmem_max', '64')
    const { server, client, cgroups, exporter, flows } = await twoEnds(t, site)
    const before = untracked(await exporter.scrape())
    const refused = {
      server: site.agent({ cgroup: cgroups.server, namespace: poor }),
      client: site.agent({ cgroup: cgroups.client, namespace: poor }),
    }
    for (let i = 0; i < 3; i++) {
      await connect(refused.server, refused.client)
      await exchange(refused.server, refused.client, 5000, 700)
      await close(refused.server, refused.client)
    }
    const port = await connect(server, client)
    await exchange(server, client, 12, 34)
    await close(server, client)
    await flows({ [`server tcp ${port} loopback`]: ended(34, 12) }, { [`client tcp ${port} loopback`]: ended(12, 34) }, 'the others')
    const scrape = await exporter.scrape()
    t.equal(sum(scrape, 'orb8_sockets_untracked_total', { reason: 'memory' }), 6, 'both ends of each, once')
    t.equal(untracked(scrape) - before, 6)
    poor.sysctl('net.core.optmem_max', '131072')
    const late = await connect(refused.server, refused.client)
    await exchange(refused.server, refused.client, 1, 2)
    await close(refused.server, refused.client)
    await flows(
      { [`server tcp ${port} loopback`]: ended(34, 12), [`server tcp ${late} loopback`]: ended(2, 1) },
      { [`client tcp ${port} loopback`]: ended(12, 34), [`client tcp ${late} loopback`]: ended(1, 2) },
      'and those that have room again',
    )
  }),
)
