// Short connections by the ten thousand: none is lost, none counted twice, whatever the walk does meanwhile.
import t from 'tap'
import type { Exporter } from '../harness/exporter.ts'
import { sum } from '../harness/exposition.ts'
import { flowsOf, type Row, untracked } from '../harness/flows.ts'
import { onSite, type Site } from '../harness/site.ts'
import type { Figures, Place } from '../harness/traffic.ts'

const EVERYWHERE = '0.0.0.0'
const LISTENERS = '0,0,0,0'

interface Storm {
  readonly server: Figures
  readonly client: Figures
  readonly rows: { readonly server: Record<string, Row>; readonly client: Record<string, Row> }
  readonly wanted: Storm['rows']
  readonly untracked: number
}

const summed = (rows: Record<string, Row>): Row => {
  const total: Row = { sent: 0, received: 0, opened: 0, closed: 0, open: 0 }
  for (const row of Object.values(rows))
    for (const key of Object.keys(total) as (keyof Row)[]) total[key] = (total[key] ?? 0) + (row[key] ?? 0)
  return total
}

/** `meanwhile` runs until told that the last connection is over. */
async function storm(
  site: Site,
  exporter: Exporter,
  options: Record<string, string | number | true>,
  meanwhile: (over: () => boolean) => Promise<void>,
  where: Pick<Place, 'namespace'> = {},
): Promise<Storm> {
  const cgroups = { server: site.cgroup('server'), client: site.cgroup('client') }
  const served = site.bulk({ cgroup: cgroups.server, ...where }, 'serve', { address: EVERYWHERE, port: LISTENERS, threads: 8 })
  const ports = await served.ports()
  let over = false
  const beside = meanwhile(() => over)
  const dialled = site.bulk({ cgroup: cgroups.client, ...where }, 'connect', {
    address: '127.0.0.1',
    addresses: 8,
    port: ports.join(','),
    threads: 8,
    ...options,
  })
  const client = await dialled.figures()
  over = true
  await beside
  const server = await served.stop()
  const told = (figures: Figures): Row => ({
    sent: figures.written,
    received: figures.read,
    opened: figures.connections,
    closed: figures.connections,
    open: 0,
  })
  const wanted = { server: { sum: told(server) }, client: { sum: told(client) } }
  let lost = 0
  const rows = await exporter.settled(wanted, (scrape) => {
    lost = untracked(scrape)
    return { server: { sum: summed(flowsOf(scrape, cgroups.server)) }, client: { sum: summed(flowsOf(scrape, cgroups.client)) } }
  })
  return { server, client, rows, wanted, untracked: lost }
}

const idle = async (): Promise<void> => undefined

t.test(
  '80,000 short connections while scrapes walk without a pause: every byte and every connection, once',
  onSite(async (t, site) => {
    const exporter = await site.exporter()
    let scrapes = 0
    const falls: string[] = []
    const result = await storm(site, exporter, { connections: 80_000, up: 200, down: 900, spread: true }, async (over) => {
      const last = new Map<string, number>()
      while (!over()) {
        const { samples } = await exporter.scrape()
        for (const { name, labels, value } of samples) {
          if (!/^orb8_(flow|tcp|container)/.test(name)) continue
          const key = `${name} ${JSON.stringify(labels)}`
          if (value < (last.get(key) ?? 0)) falls.push(`${key}: ${last.get(key)} to ${value}`)
          last.set(key, value)
        }
        scrapes++
      }
    })
    t.equal(result.client.connections, 80_000, 'all were made')
    t.equal(result.client.failures + result.server.failures, 0, 'none failed')
    t.same(result.rows, result.wanted, `exact after ${scrapes} scrapes meanwhile`)
    t.same(falls, [], 'no counter fell')
    t.equal(result.untracked, 0)
    t.ok(scrapes >= 2, `${scrapes} scrapes`)
  }),
)

for (const end of ['server', 'reset'] as const) {
  t.test(
    `10,000 short connections ended by ${end === 'server' ? 'the server’s FIN' : 'the client’s reset'} while scrapes walk`,
    onSite(async (t, site) => {
      const exporter = await site.exporter()
      const options = { connections: 10_000, up: 100, down: 2000, spread: true, end } as const
      const result = await storm(site, exporter, options, async (over) => {
        while (!over()) await exporter.scrape()
      })
      t.equal(result.client.failures + result.server.failures, 0, 'none failed')
      t.same(result.rows, result.wanted, 'exact')
    }),
  )
}

t.test(
  'a burst of 20,000 connections at default settings, nobody scraping',
  onSite(async (t, site) => {
    const exporter = await site.exporter()
    const result = await storm(site, exporter, { connections: 20_000, threads: 16, up: 50, down: 50, spread: true }, idle)
    t.equal(result.client.failures + result.server.failures, 0, 'none failed')
    t.same(result.rows, result.wanted, 'exact')
    t.equal(result.untracked, 0, 'every socket was watched')
  }),
)

t.test(
  '40,000 connections whose packets interrupt the CPU that connects and closes: no change of state goes unseen',
  onSite(async (t, site) => {
    const namespace = site.namespace('steered')
    // As a network card does: what one CPU sends, the other receives, in the midst of whatever runs there.
    namespace.run('sh', '-c', 'echo 3 > /sys/class/net/lo/queues/rx-0/rps_cpus')
    const exporter = await site.exporter()
    const tracked = async (): Promise<number> => sum(await exporter.scrape(), 'orb8_sockets_tracked')
    const before = await tracked()
    const options = { connections: 40_000, up: 200, down: 900, spread: true } as const
    const result = await storm(site, exporter, options, idle, { namespace })
    t.equal(result.client.failures + result.server.failures, 0, 'none failed')
    t.same(result.rows, result.wanted, 'exact')
    t.ok((await tracked()) - before < 1000, 'their storage is given back')
  }),
)

t.test(
  '5,000 connections open at once are all counted as open, and as closed when they are',
  onSite(async (t, site) => {
    const cgroups = { server: site.cgroup('server'), client: site.cgroup('client') }
    const exporter = await site.exporter()
    const served = site.bulk({ cgroup: cgroups.server }, 'serve', { address: EVERYWHERE, port: 0, threads: 2, hold: true })
    const [port] = await served.ports()
    const holding = site.bulk({ cgroup: cgroups.client }, 'hold', {
      address: '127.0.0.1',
      addresses: 2,
      port: port ?? 0,
      connections: 5000,
      threads: 2,
    })
    t.equal((await holding.figures()).connections, 5000)
    const open: Row = { sent: 0, received: 0, opened: 5000, closed: 0, open: 5000 }
    const rows = (row: Row) => ({ server: { [`server tcp ${port} loopback`]: row }, client: { [`client tcp ${port} loopback`]: row } })
    const read = (row: Row) =>
      exporter.settled(rows(row), (scrape) => ({ server: flowsOf(scrape, cgroups.server), client: flowsOf(scrape, cgroups.client) }))
    t.same(await read(open), rows(open), 'open')
    await Promise.all([holding.end(), served.end()])
    const closed: Row = { ...open, closed: 5000, open: 0 }
    t.same(await read(closed), rows(closed), 'closed')
  }),
)
