// Clocks that jump, and nobody who reads for twenty minutes. Only the exporter's own clocks are moved: it takes them from a file.
import t, { type Test } from 'tap'
import { DisplacedClocks } from '../harness/displaced-clocks.ts'
import { expectRows, type Rows, still } from '../harness/ends.ts'
import type { Exporter } from '../harness/exporter.ts'
import { type Scrape, sum } from '../harness/exposition.ts'
import { falls, flowsOf, type Row } from '../harness/flows.ts'
import { onSite, type Site } from '../harness/site.ts'
import { close, connect, exchange } from '../harness/streams.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS
/** Longer than the programs wait for a reader. */
const AWAY_MS = 20 * MINUTE_MS

t.test(
  'the wall clock jumps back and forth: nothing falls, leaves or stops, also over a restart',
  onSite(async (t, site) => {
    const { pins } = site.bpffs()
    const clocks = new DisplacedClocks(site.undo)
    const options = { ...clocks.options, args: ['--pin-path', pins, '--collect-interval', '1s', '--series-idle', '1m'] }
    const cgroups = { server: site.cgroup('server'), client: site.cgroup('client') }
    const [server, client] = [site.agent({ cgroup: cgroups.server }), site.agent({ cgroup: cgroups.client })]
    let exporter = await site.exporter(options)
    const port = await connect(server, client)
    await exchange(server, client, 0, 5)
    await close(server, client)
    const open = await connect(server, client)
    let last: Scrape | undefined
    let up = 0
    for (const wallMs of [0, HOUR_MS, -2 * HOUR_MS, 30 * DAY_MS, 1000 - Date.now(), DAY_MS, 0]) {
      clocks.set({ wallMs })
      for (const restart of [false, true]) {
        if (restart) {
          await exporter.die()
          exporter = await site.exporter(options)
          t.match(exporter.log.join('\n'), /counters go on/)
        }
        await exchange(server, client, 9, 0)
        up += 9
        const rows = {
          [`client tcp ${port} loopback`]: { ...still(0, 5), closed: 1, open: 0 },
          [`client tcp ${open} loopback`]: still(up, 0),
        }
        const name = `wall clock off by ${wallMs} ms${restart ? ', after a restart' : ''}`
        t.same(await exporter.settled(rows, (scrape) => flowsOf(scrape, cgroups.client)), rows, name)
        const now = await exporter.scrape()
        if (last !== undefined) t.same(falls(last, now), [], `${name}: nothing falls`)
        last = now
        t.equal((await exporter.get('/healthz')).status, 200, `${name}: well`)
      }
    }
  }),
)

/** Minutes, as the log tells them. */
const gaps = (exporter: Exporter): number[] =>
  exporter.log
    .filter((line) => line.includes('nobody had read for so long'))
    .map((line) => Math.round((JSON.parse(line) as { seconds: number }).seconds / 60))

interface Talk {
  readonly port: number
  say(up: number, down: number): Promise<void>
  end(): Promise<void>
}

/** Connections of two workloads, each with agents of its own, and their rows. */
class Talks {
  readonly cgroups: { readonly server: ReturnType<Site['cgroup']>; readonly client: ReturnType<Site['cgroup']> }
  readonly #site: Site
  readonly #rows: { server: Rows; client: Rows } = { server: {}, client: {} }

  constructor(site: Site) {
    this.#site = site
    this.cgroups = { server: site.cgroup('server'), client: site.cgroup('client') }
  }

  async open(): Promise<Talk> {
    const [server, client] = [this.#site.agent({ cgroup: this.cgroups.server }), this.#site.agent({ cgroup: this.cgroups.client })]
    return {
      port: await connect(server, client),
      say: (up, down) => exchange(server, client, up, down),
      end: () => close(server, client),
    }
  }

  expect({ port }: Talk, sent: number, received: number, connections: Pick<Row, 'opened' | 'closed' | 'open'>): void {
    this.#rows.client[`client tcp ${port} loopback`] = { sent, received, ...connections }
    this.#rows.server[`server tcp ${port} loopback`] = { sent: received, received: sent, ...connections }
  }

  async read(t: Test, exporter: Exporter, why: string): Promise<void> {
    await expectRows(t, exporter, this.cgroups)(this.#rows.server, this.#rows.client, why)
  }
}

const OPEN = { opened: 1, closed: 0, open: 1 }
const TAKEN_UP = { opened: 0, closed: 0, open: 1 }

t.test(
  'twenty minutes without a heartbeat: the programs take up nothing new until the reader returns, what they had goes on exactly',
  onSite(async (t, site) => {
    const { pins } = site.bpffs()
    const clocks = new DisplacedClocks(site.undo)
    const talks = new Talks(site)
    const talker = site.cgroup('talker')
    const sender = site.agent({ cgroup: talker })
    await sender.say('socket u 4 udp')
    const exporter = await site.exporter({ ...clocks.options, args: ['--pin-path', pins, '--collect-interval', '1h'] })
    let datagrams = 0
    const send = async (count: number, counted: number): Promise<void> => {
      await sender.say(`sendto u 127.0.0.1 9 10 ${count}`)
      datagrams += counted
      const row = { sent: 10 * datagrams, received: 0, sentPackets: datagrams, receivedPackets: 0 }
      t.same(flowsOf(await exporter.scrape(), talker), { 'client udp 9 loopback': row }, `${datagrams} datagrams`)
    }
    const before = await talks.open()
    await before.say(100, 10)
    talks.expect(before, 100, 10, OPEN)
    await talks.read(t, exporter, 'before')
    await send(3, 3)

    clocks.set({ monotonicMs: -AWAY_MS })
    await exporter.scrape()
    const within = await talks.open()
    await within.say(33, 44)
    const gone = await talks.open()
    await gone.say(5, 5)
    await gone.end()
    await before.say(1000, 0)
    talks.expect(before, 1100, 10, OPEN)
    await talks.read(t, exporter, 'in the gap: what was open counts, what is new does not')
    await send(5, 0)
    t.same(gaps(exporter), [], 'it does not know of any gap')

    clocks.set({})
    talks.expect(within, 0, 0, TAKEN_UP)
    await talks.read(t, exporter, 'back: what was opened in the gap is taken up')
    t.same(gaps(exporter), [20], 'said once')
    t.equal(Math.round(sum(await exporter.scrape(), 'orb8_reader_gap_seconds_total') / 60), 20, 'and counted')
    await send(2, 2)
    await within.say(7, 8)
    await before.say(1, 1)
    const after = await talks.open()
    await after.say(2, 3)
    for (const talk of [before, within, after]) await talk.end()
    talks.expect(before, 1101, 11, { opened: 1, closed: 1, open: 0 })
    talks.expect(within, 7, 8, { opened: 0, closed: 1, open: 0 })
    talks.expect(after, 2, 3, { opened: 1, closed: 1, open: 0 })
    await talks.read(t, exporter, 'to the end')
    t.same(gaps(exporter), [20])
  }),
)

t.test(
  'an exporter that comes after twenty minutes: what was open before goes on exactly, what was opened since is taken up',
  onSite(async (t, site) => {
    const { pins } = site.bpffs()
    const clocks = new DisplacedClocks(site.undo)
    const talks = new Talks(site)
    const args = ['--pin-path', pins, '--collect-interval', '1h']
    clocks.set({ monotonicMs: -AWAY_MS })
    const first = await site.exporter({ ...clocks.options, args })
    clocks.set({})
    await first.scrape()
    const before = await talks.open()
    await before.say(100, 10)
    talks.expect(before, 100, 10, OPEN)
    await talks.read(t, first, 'before')
    clocks.set({ monotonicMs: -AWAY_MS })
    await first.scrape()
    await first.die()
    await before.say(1000, 0)
    const within = await talks.open()
    await within.say(33, 44)
    const next = await site.exporter({ args })
    talks.expect(before, 1100, 10, OPEN)
    talks.expect(within, 0, 0, TAKEN_UP)
    await talks.read(t, next, 'the next')
    t.same(gaps(next), [20])
    const gap = sum(await next.scrape(), 'orb8_reader_gap_seconds_total')
    t.equal(Math.round(gap / 60), 40, 'both gaps count')
    await within.say(1, 0)
    for (const talk of [before, within]) await talk.end()
    await next.scrape()
    await next.die()
    const last = await site.exporter({ args })
    talks.expect(before, 1100, 10, { opened: 1, closed: 1, open: 0 })
    talks.expect(within, 1, 0, { opened: 0, closed: 1, open: 0 })
    await talks.read(t, last, 'the last')
    t.same(gaps(last), [], 'a short rest is no gap')
    t.equal(sum(await last.scrape(), 'orb8_reader_gap_seconds_total'), gap)
  }),
)
