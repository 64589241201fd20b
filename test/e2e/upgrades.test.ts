// Another version takes the place of one that counts, there and back: nothing is counted by both, nothing by none.
import { readdirSync } from 'node:fs'
import t from 'tap'
import { loader, reader } from '../harness/confined.ts'
import { type Exporter, type ExporterOptions, runCommand } from '../harness/exporter.ts'
import { type Scrape, sum } from '../harness/exposition.ts'
import { type Change, otherBuild } from '../harness/other-build.ts'
import { onSite, type Site } from '../harness/site.ts'
import { connect, exchange } from '../harness/streams.ts'
import type { Figures } from '../harness/traffic.ts'

/** Other offsets of everything that is pinned, another size of the storage. */
const OLDER: readonly Change[] = [
  { file: 'layout.h', from: '\t__u8 protocol;\n\t__u8 role;\n', to: '\t__u8 role;\n\t__u8 protocol;\n' },
  { file: 'layout.h', from: '\t__s64 sent_bytes;\n\t__s64 received_bytes;\n', to: '\t__s64 received_bytes;\n\t__s64 sent_bytes;\n' },
  { file: 'connection.h', from: '\t__u32 segments_out;\n', to: '\t__u64 of_old;\n\t__u32 segments_out;\n' },
]
const SAME_LAYOUT: readonly Change[] = [{ file: 'socket.bpf.c', from: '#define BREATHE 16384', to: '#define BREATHE 8192' }]

const NAMES = ['opened', 'closed', 'sent', 'received'] as const
type Sums = Record<(typeof NAMES)[number], number>

function sumsOf(scrape: Scrape, { workload }: { workload: string }): Sums {
  return {
    opened: sum(scrape, 'orb8_tcp_connections_opened_total', { workload }),
    closed: sum(scrape, 'orb8_tcp_connections_closed_total', { workload }),
    sent: sum(scrape, 'orb8_flow_bytes_total', { workload, direction: 'egress' }),
    received: sum(scrape, 'orb8_flow_bytes_total', { workload, direction: 'ingress' }),
  }
}

const plus = (one: Sums, other: Sums): Sums => Object.fromEntries(NAMES.map((name) => [name, one[name] + other[name]])) as Sums
const NOTHING: Sums = { opened: 0, closed: 0, sent: 0, received: 0 }

interface Version {
  readonly name: string
  readonly options: ExporterOptions
  /** orb8 load with three capabilities, then orb8 export with none. */
  readonly halves?: boolean
}

const GROUP = 54_321
/** A reader that may not remove what was held empties it; the next load removes it. */
const EMPTIED = /_held\d+_/

/**
 * One version after the other under traffic, each killed after a scrape. `startsAnew`: whether the numbers of each begin at 0. Every byte
 * and connection must be in what they said last, added up.
 */
async function succession(
  t: Parameters<Parameters<typeof onSite>[0]>[0],
  site: Site,
  versions: readonly Version[],
  startsAnew: boolean,
  { leaves = /^$/ } = {},
) {
  const { pins } = site.bpffs()
  const cgroups = { server: site.cgroup('server'), client: site.cgroup('client'), keeper: site.cgroup('keeper'), kept: site.cgroup('kept') }
  const served = site.bulk({ cgroup: cgroups.server }, 'serve', { address: '127.0.0.1', port: '0,0,0', threads: 2, limit: 300 })
  const port = (await served.ports()).join(',')
  const [keeper, kept] = [site.agent({ cgroup: cgroups.keeper }), site.agent({ cgroup: cgroups.kept })]
  const sums = { server: NOTHING, client: NOTHING, keeper: NOTHING }
  const all: Figures[] = []
  let talked = 0
  let last: Exporter | undefined
  const args = ['--pin-path', pins, '--collect-interval', '1h']
  for (const [index, { name, options, halves = false }] of versions.entries()) {
    const dialled = index === 0 ? undefined : traffic()
    const settings = [...args, ...(options.args ?? []), ...(halves ? ['--pin-group', `${GROUP}`] : [])]
    if (halves) {
      const { code, stderr } = await runCommand(site.undo, 'load', { ...options, args: settings, wrapper: loader(GROUP) })
      t.equal(code, 0, `${name}: ${stderr.join(' ')}`)
    }
    last = await site.exporter({ ...options, args: settings, ...(halves ? { wrapper: reader(GROUP) } : {}) })
    if (index === 0) {
      await connect(keeper, kept)
    }
    await exchange(keeper, kept, 1000, 100)
    talked++
    const more = traffic()
    await exchange(keeper, kept, 1000, 100)
    talked++
    const open = { keeper: 1 }
    if (dialled !== undefined) all.push(await dialled)
    if (index < versions.length - 1) {
      const scrape = await last.scrape()
      t.equal(sum(scrape, 'orb8_active_flows', { workload: cgroups.keeper.workload }), open.keeper, `${name}: the open connection is open`)
      if (startsAnew) for (const key of ['server', 'client', 'keeper'] as const) sums[key] = plus(sums[key], sumsOf(scrape, cgroups[key]))
      await exchange(keeper, kept, 10, 1)
      await last.die()
      await exchange(keeper, kept, 10, 1)
    }
    all.push(await more)
  }
  const server = await served.stop()
  const told = ({ connections, written, read }: Pick<Figures, 'connections' | 'written' | 'read'>): Sums => ({
    opened: connections,
    closed: connections,
    sent: written,
    received: read,
  })
  const rest = (versions.length - 1) * 2
  const wanted = {
    server: told(server),
    client: all.map(told).reduce(plus, NOTHING),
    keeper: { opened: 1, closed: 0, sent: talked * 100 + rest, received: talked * 1000 + rest * 10 },
  }
  const read = (scrape: Scrape) => ({
    server: plus(sums.server, sumsOf(scrape, cgroups.server)),
    client: plus(sums.client, sumsOf(scrape, cgroups.client)),
    keeper: plus(sums.keeper, sumsOf(scrape, cgroups.keeper)),
  })
  t.same(await last?.settled(wanted, read), wanted, `${wanted.client.opened} connections, exact`)
  const scrape = await last?.scrape()
  const active = (workload: string): number => (scrape === undefined ? -1 : sum(scrape, 'orb8_active_flows', { workload }))
  t.same([active(cgroups.server.workload), active(cgroups.client.workload), active(cgroups.keeper.workload)], [0, 0, 1], 'open now')
  t.same(
    readdirSync(pins).filter((name) => /held|old|coming|take_over/.test(name) && !leaves.test(name)),
    [],
    'nothing of the older version is left',
  )
  const groups = readdirSync(pins).flatMap((name) => /_held(\d+)_/.exec(name)?.[1] ?? [])
  t.ok(new Set(groups).size <= 1, 'and of the one before it nothing either')
  return last as Exporter

  function traffic(): Promise<Figures> {
    return site
      .bulk({ cgroup: cgroups.client }, 'connect', { port, connections: 30_000, threads: 2, up: 100, down: 300, spread: true })
      .figures()
  }
}

t.test(
  'programs of another build over the same maps, there and back: the counters go on',
  onSite(async (t, site) => {
    const program = otherBuild(site.undo, SAME_LAYOUT)
    const versions = [
      { name: 'older', options: { program } },
      { name: 'this', options: {} },
      { name: 'older again', options: { program } },
    ]
    const last = await succession(t, site, versions, false)
    t.match(last.log.join('\n'), /"origin":"replaced"/)
    t.match(last.log.join('\n'), /counters go on/)
  }),
)

t.test(
  'another layout, there and back: what the kernel held is published once, then all begins at 0',
  onSite(async (t, site) => {
    const program = otherBuild(site.undo, OLDER)
    const versions = [
      { name: 'older', options: { program } },
      { name: 'this', options: {} },
      { name: 'older again', options: { program } },
    ]
    const last = await succession(t, site, versions, true)
    t.match(last.log.join('\n'), /every counter starts at 0/)
  }),
)

for (const [what, first, then] of [
  ['another label set', ['--flow-labels', 'namespace,workload,direction,protocol,port'], []],
  ['another size of the flow maps', ['--flow-entries', '4096'], ['--flow-entries', '8192']],
  ['another number of sockets', ['--sockets', '10000'], ['--sockets', '20000']],
  ['another limit of series', ['--series-limit', '10000'], ['--series-limit', '20000']],
] as const) {
  t.test(
    `${what}: what the kernel held is published once, and all begins at 0`,
    onSite(async (t, site) => {
      const versions = [
        { name: 'before', options: { args: [...first] } },
        { name: 'after', options: { args: [...then] } },
      ]
      const last = await succession(t, site, versions, true)
      t.match(last.log.join('\n'), /every counter starts at 0/)
    }),
  )
}

t.test(
  'another layout, there and back, loaded with three capabilities and read with none: the same',
  onSite(async (t, site) => {
    const program = otherBuild(site.undo, OLDER)
    const versions = [
      { name: 'older', options: { program }, halves: true },
      { name: 'this', options: {}, halves: true },
      { name: 'older again', options: { program }, halves: true },
    ]
    const last = await succession(t, site, versions, true, { leaves: EMPTIED })
    t.match(last.log.join('\n'), /every counter starts at 0/)
  }),
)

t.test(
  'another size, loaded with three capabilities and read with none: what was held goes with the next load',
  onSite(async (t, site) => {
    const versions = ['4096', '8192', '16384'].map((entries) => ({
      name: entries,
      options: { args: ['--flow-entries', entries] },
      halves: true,
    }))
    await succession(t, site, versions, true, { leaves: EMPTIED })
  }),
)

t.test(
  'orb8 load puts another layout in place for an exporter that comes later',
  onSite(async (t, site) => {
    const { pins } = site.bpffs()
    const program = otherBuild(site.undo, OLDER)
    const cgroup = site.cgroup('both')
    const [server, client] = [site.agent({ cgroup }), site.agent({ cgroup })]
    const older = await site.exporter({ program, args: ['--pin-path', pins, '--collect-interval', '1h'] })
    await connect(server, client)
    await older.scrape()
    await exchange(server, client, 1000, 10)
    await older.die()
    t.equal((await runCommand(site.undo, 'load', { args: ['--pin-path', pins] })).code, 0)
    await exchange(server, client, 2000, 20)
    const exporter = await site.exporter({ args: ['--pin-path', pins] })
    const read = (scrape: Scrape) => [sumsOf(scrape, cgroup).sent, sum(scrape, 'orb8_active_flows', { workload: cgroup.workload })]
    t.same(await exporter.settled([3030, 2], read), [3030, 2])
  }),
)
