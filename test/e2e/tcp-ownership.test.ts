// A socket belongs to the cgroup that made it, an accepted one to the cgroup that made the listener, whoever uses it later.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { removeCgroup } from '../harness/cgroups.ts'
import { ended, expectRows, still, twoEnds } from '../harness/ends.ts'
import { flowsOf } from '../harness/flows.ts'
import { wire } from '../harness/namespaces.ts'
import { onSite, type Site } from '../harness/site.ts'
import { close, connect, exchange, listen } from '../harness/streams.ts'

/** Where two agents meet to pass a socket. */
function meetingPlace(site: Site): string {
  const folder = mkdtempSync(join(tmpdir(), 'orb8-test-'))
  const remove = (): void => rmSync(folder, { recursive: true, force: true })
  site.undo.add({ gently: remove, atOnce: remove })
  return join(folder, 'pass')
}

t.test(
  'a connection passed to a process in another cgroup goes on counting for its maker',
  onSite(async (t, site) => {
    const heir = site.cgroup('heir')
    const path = meetingPlace(site)
    const { server, client, exporter, flows } = await twoEnds(t, site)
    const other = site.agent({ cgroup: heir })
    const port = await connect(server, client)
    await exchange(server, client, 100, 10)
    await Promise.all([other.say(`take c ${path}`), client.say(`pass c ${path}`)])
    await exchange(server, other, 2000, 200)
    await close(server, other)
    await flows(
      { [`server tcp ${port} loopback`]: ended(210, 2100) },
      { [`client tcp ${port} loopback`]: ended(2100, 210) },
      'before and after it was passed',
    )
    t.same(flowsOf(await exporter.scrape(), heir), {}, 'nothing for the process that was given it')
  }),
)

t.test(
  'a listener inherited over fork by a child in another cgroup: what it accepts belongs to the maker of the listener',
  onSite(async (t, site) => {
    const child = site.cgroup('child')
    const { server, client, exporter, flows } = await twoEnds(t, site)
    const port = await listen(server)
    await server.say(`inherit l ${child.directory} 5000`)
    await client.each('socket c 4 tcp', `connect c 127.0.0.1 ${port}`, 'write c 3000', 'shutdown c')
    t.equal((await client.say('read c')).bytes, 5000)
    await client.say('close c')
    t.equal((await server.say('reap')).status, 0)
    await flows({ [`server tcp ${port} loopback`]: ended(5000, 3000) }, { [`client tcp ${port} loopback`]: ended(3000, 5000) }, 'closed')
    t.same(flowsOf(await exporter.scrape(), child), {}, 'nothing for the child')
  }),
)

t.test(
  'a process that moves to another cgroup leaves its open connections where they were made',
  onSite(async (t, site) => {
    const elsewhere = site.cgroup('elsewhere')
    const { server, client, exporter, flows } = await twoEnds(t, site)
    const port = await connect(server, client)
    await exchange(server, client, 5, 6)
    await client.say(`move ${elsewhere.directory}`)
    await exchange(server, client, 50, 60)
    await flows({ [`server tcp ${port} loopback`]: still(66, 55) }, { [`client tcp ${port} loopback`]: still(55, 66) }, 'the old cgroup')
    await close(server, client)
    const next = await connect(server, client)
    await exchange(server, client, 7, 8)
    await close(server, client)
    const wanted = { [`client tcp ${next} loopback`]: ended(7, 8) }
    t.same(await exporter.settled(wanted, (scrape) => flowsOf(scrape, elsewhere)), wanted, 'the new one has the new connection')
  }),
)

t.test(
  'a connection that outlives its container’s cgroup keeps its name',
  onSite(async (t, site) => {
    const shelter = site.cgroup('shelter')
    const { server, client, cgroups, flows } = await twoEnds(t, site)
    const port = await connect(server, client)
    await exchange(server, client, 1, 2)
    await flows({ [`server tcp ${port} loopback`]: still(2, 1) }, { [`client tcp ${port} loopback`]: still(1, 2) }, 'before')
    await client.say(`move ${shelter.directory}`)
    removeCgroup(cgroups.client)
    await exchange(server, client, 1000, 2000)
    await flows(
      { [`server tcp ${port} loopback`]: still(2002, 1001) },
      { [`client tcp ${port} loopback`]: still(1001, 2002) },
      'without a cgroup',
    )
    await close(server, client)
    await flows({ [`server tcp ${port} loopback`]: ended(2002, 1001) }, { [`client tcp ${port} loopback`]: ended(1001, 2002) }, 'closed')
  }),
)

t.test(
  'a container that came, spoke and went between two scrapes is still named',
  onSite(async (t, site) => {
    const { server, exporter } = await twoEnds(t, site)
    const port = await listen(server)
    const brief = site.cgroup('brief')
    const client = site.agent({ cgroup: brief })
    await client.each('socket c 4 tcp', `connect c 127.0.0.1 ${port}`, 'write c 4242', 'close c')
    await client.end()
    removeCgroup(brief)
    const wanted = { [`client tcp ${port} loopback`]: ended(4242, 0) }
    await server.each('accept l s', 'read s', 'close s', 'close l')
    t.same(await exporter.settled(wanted, (scrape) => flowsOf(scrape, brief)), wanted)
  }),
)

t.test(
  'containers and units are told by their cgroup’s path',
  onSite(async (t, site) => {
    const id = 'ab'.repeat(32)
    const slice = site.cgroup('x.slice')
    const names = [
      [site.cgroup('web.service', slice), 'web.service', 'systemd'],
      [site.cgroup(`docker-${id}.scope`, slice), id.slice(0, 12), 'container'],
    ] as const
    const { server, exporter } = await twoEnds(t, site)
    for (const [cgroup, workload, kind] of names) {
      const client = site.agent({ cgroup })
      const port = await connect(server, client)
      await exchange(server, client, 77, 88)
      await close(server, client)
      const wanted = [`${kind} client tcp ${port}`]
      const read = await exporter.settled(wanted, ({ samples }) =>
        samples
          .filter(
            ({ name, labels }) =>
              name === 'orb8_tcp_connections_closed_total' && labels.port === String(port) && labels.workload === workload,
          )
          .map(({ labels }) => `${labels.workload_kind} ${labels.role} ${labels.protocol} ${labels.port}`),
      )
      t.same(read, wanted, `${workload} is a ${kind}`)
    }
  }),
)

t.test(
  'a connection in a network namespace deleted by name counts on',
  onSite(async (t, site) => {
    const [left, right] = [site.namespace('a'), site.namespace('b')]
    wire(left, right, [['10.11.0.1/24', '10.11.0.2/24']])
    const { server, client, flows } = await twoEnds(t, site, { serverIn: right, clientIn: left })
    const port = await connect(server, client, { at: '10.11.0.2' })
    await exchange(server, client, 10, 20)
    left.forget()
    right.forget()
    await exchange(server, client, 100_000, 200_000)
    await flows(
      { [`server tcp ${port} external`]: still(200_020, 100_010) },
      { [`client tcp ${port} external`]: still(100_010, 200_020) },
      'both namespaces have no name any more',
    )
    await close(server, client)
    await flows(
      { [`server tcp ${port} external`]: ended(200_020, 100_010) },
      { [`client tcp ${port} external`]: ended(100_010, 200_020) },
      'closed',
    )
  }),
)

for (const [what, up, down] of [
  ['silent', 0, 0],
  ['busy', 5_000_001, 70_003],
] as const) {
  t.test(
    `a ${what} connection open before the start is adopted at both ends: only what comes after counts, the roles are right`,
    onSite(async (t, site) => {
      const cgroups = { server: site.cgroup('server'), client: site.cgroup('client') }
      const [server, client] = [site.agent({ cgroup: cgroups.server }), site.agent({ cgroup: cgroups.client })]
      const port = await connect(server, client)
      await exchange(server, client, 123_456, 65_432)
      const exporter = await site.exporter()
      const flows = expectRows(t, exporter, cgroups)
      const adopted = (sent: number, received: number, open: number) => ({ sent, received, opened: 0, closed: 1 - open, open })
      if (up > 0) await exchange(server, client, up, down)
      await flows(
        { [`server tcp ${port} loopback`]: adopted(down, up, 1) },
        { [`client tcp ${port} loopback`]: adopted(up, down, 1) },
        'open',
      )
      await close(server, client)
      await flows(
        { [`server tcp ${port} loopback`]: adopted(down, up, 0) },
        { [`client tcp ${port} loopback`]: adopted(up, down, 0) },
        'closed: not opened in our time',
      )
    }),
  )
}

t.test(
  'connections open before the start inside namespaces, half-closed, and not yet accepted are adopted too',
  onSite(async (t, site) => {
    const [left, right] = [site.namespace('a'), site.namespace('b')]
    wire(left, right, [['10.11.0.1/24', '10.11.0.2/24']])
    const cgroups = { server: site.cgroup('server'), client: site.cgroup('client') }
    const server = site.agent({ cgroup: cgroups.server, namespace: right })
    const client = site.agent({ cgroup: cgroups.client, namespace: left })
    const half = await connect(server, client, { at: '10.11.0.2' })
    await exchange(server, client, 10, 20)
    await client.say('shutdown c')
    await server.say('read s')
    await server.each('socket waiting 4 tcp', 'bind waiting 10.11.0.2 0')
    const { port } = await server.say('listen waiting')
    await client.each('socket d 4 tcp', `connect d 10.11.0.2 ${port}`, 'write d 1000')

    const exporter = await site.exporter()
    const flows = expectRows(t, exporter, cgroups)
    await Promise.all([server.say('write s 3000'), client.say('read c 3000')])
    await client.say('write d 500')
    await server.say('accept waiting w')
    t.equal((await server.say('read w 1500')).bytes, 1500)
    const adopted = (sent: number, received: number, open: number) => ({ sent, received, opened: 0, closed: 1 - open, open })
    await flows(
      { [`server tcp ${half} external`]: adopted(3000, 0, 1), [`server tcp ${port} external`]: adopted(0, 500, 1) },
      { [`client tcp ${half} external`]: adopted(0, 3000, 1), [`client tcp ${port} external`]: adopted(500, 0, 1) },
      'open',
    )
    await server.each('close s', 'close w', 'close l', 'close waiting')
    await client.each('read c', 'close c', 'close d')
    await flows(
      { [`server tcp ${half} external`]: adopted(3000, 0, 0), [`server tcp ${port} external`]: adopted(0, 500, 0) },
      { [`client tcp ${half} external`]: adopted(0, 3000, 0), [`client tcp ${port} external`]: adopted(500, 0, 0) },
      'closed',
    )
  }),
)
