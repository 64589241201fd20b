// A client's Service is its peer in /metrics, behind a socket load balancer too: across restarts, other builds and other layouts.
import { readdirSync } from 'node:fs'
import t from 'tap'
import { programsAt } from '../../src/kernel/cgroup-programs.ts'
import { DIAL_HOOKS } from '../../src/kernel/dial-observers.ts'
import { startBalancer } from '../harness/balancer.ts'
import type { Cgroup } from '../harness/cgroups.ts'
import { run } from '../harness/child.ts'
import { loader, reader } from '../harness/confined.ts'
import { type Exporter, type ExporterOptions, runCommand } from '../harness/exporter.ts'
import { type Scrape, sum } from '../harness/exposition.ts'
import { flowsOf, type Row } from '../harness/flows.ts'
import { type Change, otherBuild } from '../harness/other-build.ts'
import { HOSTS, makePods, type Pods } from '../harness/pods.ts'
import { onSite, type Site } from '../harness/site.ts'
import { exchange } from '../harness/streams.ts'

const SERVICE = '10.96.77.10'
const [BACKEND] = HOSTS.server
const GROUP = 54_321
const NETWORKS = ['--cidrs', 'services=10.96.0.0/12,pods=10.11.0.0/16']

interface Node extends Pods {
  readonly exporter: (options?: ExporterOptions) => Promise<Exporter>
  readonly rows: (scrape: Scrape, end: 'client' | 'server') => Record<string, Row>
}

/** With a Service of which port 80 leads to 8080 over TCP and UDP. */
function makeNode(site: Site): Node {
  const pods = makePods(site)
  startBalancer(site.undo).balance([SERVICE, 80], [BACKEND, 8080])
  const args = ['--cgroup-root', pods.root.directory, '--collect-interval', '1h', ...NETWORKS]
  return {
    ...pods,
    exporter: (options = {}) => site.exporter({ ...options, args: [...args, ...(options.args ?? [])] }),
    rows: (scrape, end) => flowsOf(scrape, { workload: workloadOf(pods.root, pods.cgroups[end]) }),
  }
}

const workloadOf = (root: Cgroup, cgroup: Cgroup): string => cgroup.workload.slice(root.workload.length)

/** Its name in the networks of the settings. */
const tcpRow = (sent: number, received: number, opened: number, closed: number): Record<string, Row> => ({
  'client tcp 80 external services': { sent, received, opened, closed, open: opened - closed },
})

type Rows = Record<string, Row>
type Seen = { client: Rows; server: Rows; failures: number }

/** Numbers of the links of programs at the observers' hooks, by cgroup and hook; not of the balancer's. */
function linksAt({ directory }: Cgroup): string[] {
  const links = JSON.parse(run('bpftool', 'link', 'list', '-j')) as { id: number; cgroup_id?: number; attach_type?: string }[]
  const inode = Number(run('stat', '-c', '%i', directory))
  return links.filter(({ cgroup_id }) => cgroup_id === inode).map(({ id, attach_type }) => `${attach_type} ${id}`)
}

const running = ({ above }: Node): number[] => [...DIAL_HOOKS.values()].map((hook) => programsAt(above.directory, hook).length)

/** The open connection `c` and `s`, and ones that end at once; each moves 10 bytes up. */
async function dial({ client, server }: Pods): Promise<void> {
  await client.each('socket e 4 tcp', `connect e ${SERVICE} 80`, 'write e 10', 'close e')
  await server.each('accept l x', 'read x', 'close x')
}

async function open(node: Node): Promise<void> {
  await node.server.each('socket l 4 tcp', `bind l ${BACKEND} 8080`, 'listen l')
  await node.client.each('socket c 4 tcp', `connect c ${SERVICE} 80`)
  await node.server.say('accept l s')
}

t.test(
  'TCP and UDP to a Service, and attempts that fail, are under its address and port; the server sees the client',
  onSite(async (t, site) => {
    const node = makeNode(site)
    const exporter = await node.exporter()
    await open(node)
    await exchange(node.server, node.client, 100, 10)
    await node.server.each('socket u 4 udp', `bind u ${BACKEND} 8080`)
    await node.client.each('socket u 4 udp', `sendto u ${SERVICE} 80 50 2`)
    await node.server.say('recv u 2')
    await node.server.say('close l')
    await node.client.say('socket r 4 tcp')
    t.match(await node.client.attempt(`connect r ${SERVICE} 80`), { error: 'ECONNREFUSED' })
    const wanted: Seen = {
      client: {
        ...tcpRow(100, 10, 1, 0),
        'client udp 80 external services': { sent: 100, received: 0, sentPackets: 2, receivedPackets: 0 },
      },
      server: {
        'server tcp 8080 external pods': { sent: 10, received: 100, opened: 1, closed: 0, open: 1 },
        'server udp 8080 external pods': { sent: 0, received: 100, sentPackets: 0, receivedPackets: 2 },
      },
      failures: 1,
    }
    const read = (scrape: Scrape): Seen => ({
      client: node.rows(scrape, 'client'),
      server: node.rows(scrape, 'server'),
      failures: sum(scrape, 'orb8_tcp_connect_failures_total', { port: '80', peer_workload: 'services', reason: 'refused' }),
    })
    t.same(await exporter.settled(wanted, read), wanted)
  }),
)

t.test(
  'over a kill and a restart the observers stay as they are, and what is dialled meanwhile counts',
  onSite(async (t, site) => {
    const node = makeNode(site)
    const { pins } = site.bpffs()
    const args = ['--pin-path', pins]
    const first = await node.exporter({ args })
    const links = linksAt(node.above)
    t.equal(links.length, 4)
    await open(node)
    await first.scrape()
    await exchange(node.server, node.client, 100, 10)
    await first.die()
    t.same(linksAt(node.above), links)
    await dial(node)
    await exchange(node.server, node.client, 100, 10)
    const second = await node.exporter({ args })
    t.same(linksAt(node.above), links)
    await dial(node)
    const wanted = tcpRow(220, 20, 3, 2)
    t.same(await second.settled(wanted, (scrape) => node.rows(scrape, 'client')), wanted)
    await second.stop()
    t.same(running(node), [2, 2, 2, 2])
    t.equal((await runCommand(site.undo, 'unload', { args })).code, 0)
    t.same(running(node), [1, 1, 1, 1], 'unload takes them away')
  }),
)

for (const [what, wrapper] of [
  ['without CAP_NET_ADMIN', ['setpriv', '--bounding-set=-net_admin,-sys_admin', '--inh-caps=-net_admin,-sys_admin']],
  ['without any capability, in the group of the pins', reader(GROUP)],
] as const) {
  t.test(
    `orb8 load attaches them, for an exporter ${what}: it leaves them so, and says once that it may not ask`,
    onSite(async (t, site) => {
      const node = makeNode(site)
      const { pins } = site.bpffs()
      const args = ['--pin-path', pins, '--pin-group', `${GROUP}`]
      const options = { args: [...args, '--cgroup-root', node.root.directory, ...NETWORKS], wrapper: loader(GROUP) }
      t.equal((await runCommand(site.undo, 'load', options)).code, 0)
      t.same(running(node), [2, 2, 2, 2])
      const links = linksAt(node.above)
      const exporter = await node.exporter({ args, wrapper })
      await open(node)
      await dial(node)
      await node.server.each('socket u 4 udp', `bind u ${BACKEND} 8080`)
      await node.client.each('socket u 4 udp', `sendto u ${SERVICE} 80 50 2`)
      await node.server.say('recv u 2')
      t.same(linksAt(node.above), links)
      const wanted: Rows = {
        ...tcpRow(10, 0, 2, 1),
        'client udp 80 external services': { sent: 100, received: 0, sentPackets: 2, receivedPackets: 0 },
      }
      t.same(await exporter.settled(wanted, (scrape) => node.rows(scrape, 'client')), wanted)
      const { samples } = await exporter.scrape()
      const observers = samples.filter(({ name, labels }) => name === 'orb8_bpf_program_loaded' && DIAL_HOOKS.has(labels.program ?? ''))
      t.same(
        observers.map(({ value }) => value),
        [1, 1, 1, 1],
      )
      const told = exporter.log.map((line) => JSON.parse(line) as { msg: string; level: unknown; programs?: string[] })
      t.same(
        told.filter(({ msg }) => /may not ask who rewrites/.test(msg)).map(({ programs }) => programs),
        [[...DIAL_HOOKS.keys()]],
      )
      t.notMatch(exporter.log.join(), /EPERM|EACCES/)
    }),
  )
}

const SAME_LAYOUT: readonly Change[] = [{ file: 'socket.bpf.c', from: '#define BREATHE 16384', to: '#define BREATHE 8192' }]
const OTHER_LAYOUT: readonly Change[] = [
  { file: 'connection.h', from: '\t__u32 segments_out;\n', to: '\t__u64 of_old;\n\t__u32 segments_out;\n' },
]
/** In the way of one without observers: it keeps nothing that is dialled, and what its maps have in its place is of another size. */
const KNOWS_NO_DIALS: readonly Change[] = [
  { file: 'dialled.h', from: '\t__u16 port;', to: '\t__u32 port;' },
  { file: 'dialled.h', from: '\t__u16 pad;\n', to: '' },
  { file: 'dialled.h', from: '\td->pad = 0;', to: '\td->port = 0;' },
]

t.test(
  'another build over the same maps takes the observers over, in place',
  onSite(async (t, site) => {
    const node = makeNode(site)
    const { pins } = site.bpffs()
    const args = ['--pin-path', pins]
    const older = await node.exporter({ args, program: otherBuild(site.undo, SAME_LAYOUT) })
    const links = linksAt(node.above)
    await open(node)
    await exchange(node.server, node.client, 100, 10)
    await older.scrape()
    await older.die()
    await dial(node)
    const newer = await node.exporter({ args })
    t.same(linksAt(node.above), links)
    t.same(running(node), [2, 2, 2, 2])
    await dial(node)
    await exchange(node.server, node.client, 100, 10)
    const wanted = tcpRow(220, 20, 3, 2)
    t.same(await newer.settled(wanted, (scrape) => node.rows(scrape, 'client')), wanted)
  }),
)

for (const [what, changes, peer] of [
  ['another layout', OTHER_LAYOUT, '80 external services'],
  ['one that knew of no dials', KNOWS_NO_DIALS, '8080 external pods'],
] as const) {
  t.test(
    `a connection from the time of ${what} stays with its peer; what comes is under what it dials`,
    onSite(async (t, site) => {
      const node = makeNode(site)
      const { pins } = site.bpffs()
      const args = ['--pin-path', pins]
      const older = await node.exporter({ args, program: otherBuild(site.undo, changes) })
      await open(node)
      await exchange(node.server, node.client, 100, 10)
      const before: Rows = { [`client tcp ${peer}`]: { sent: 100, received: 10, opened: 1, closed: 0, open: 1 } }
      t.same(await older.settled(before, (scrape) => node.rows(scrape, 'client')), before)
      await older.die()
      await exchange(node.server, node.client, 1, 1)
      const newer = await node.exporter({ args })
      t.match(newer.log.join('\n'), /every counter starts at 0/)
      t.same(running(node), [2, 2, 2, 2])
      await exchange(node.server, node.client, 20, 2)
      await dial(node)
      const ended = { sent: 10, received: 0, opened: 1, closed: 1, open: 0 }
      const wanted: Rows =
        peer === '80 external services'
          ? { [`client tcp ${peer}`]: { sent: 31, received: 3, opened: 1, closed: 1, open: 1 } }
          : { [`client tcp ${peer}`]: { sent: 21, received: 3, opened: 0, closed: 0, open: 1 }, 'client tcp 80 external services': ended }
      t.same(await newer.settled(wanted, (scrape) => node.rows(scrape, 'client')), wanted)
      t.same(
        readdirSync(pins).filter((name) => /held|old|coming/.test(name)),
        [],
      )
    }),
  )
}
