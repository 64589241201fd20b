// With a pin path counting and the counters go on over a restart, however the exporter ends: nothing falls, is lost, or counts twice.
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { STEPS } from '../../src/collect/flows.ts'
import { run } from '../harness/child.ts'
import { expectRows, type Rows } from '../harness/ends.ts'
import { endAfter, runCommand, runToTheEnd } from '../harness/exporter.ts'
import { matching, parseExposition, type Scrape, sum } from '../harness/exposition.ts'
import { falls, flowsOf, type Row, whole } from '../harness/flows.ts'
import { freePort } from '../harness/prometheus.ts'
import { onSite, type Site } from '../harness/site.ts'
import { close, connect, exchange } from '../harness/streams.ts'
import type { Figures } from '../harness/traffic.ts'

const MORTAL = join(import.meta.dirname, '..', 'harness', 'mortal-exporter.ts')

function twoAgents(site: Site) {
  const cgroups = { server: site.cgroup('server'), client: site.cgroup('client') }
  return { cgroups, server: site.agent({ cgroup: cgroups.server }), client: site.agent({ cgroup: cgroups.client }) }
}

t.test(
  'what happens before, between and after two lives of the exporter is counted once, in connections that span them and in others',
  onSite(async (t, site) => {
    const { pins } = site.bpffs()
    const args = ['--pin-path', pins]
    const { cgroups, server, client } = twoAgents(site)
    const first = await site.exporter({ args })
    const port = await connect(server, client)
    await exchange(server, client, 1000, 300)
    await first.settled({ [`client tcp ${port} loopback`]: { sent: 1000, received: 300, opened: 1, closed: 0, open: 1 } }, (scrape) =>
      flowsOf(scrape, cgroups.client),
    )
    await exchange(server, client, 50, 7)
    await first.die()
    await exchange(server, client, 600, 0)
    const second = await site.exporter({ args })
    await exchange(server, client, 1, 1)
    const sent = { sent: 1651, received: 308 }
    const received = { sent: 308, received: 1651 }
    const rows = expectRows(t, second, cgroups)
    await rows(
      { [`server tcp ${port} loopback`]: { ...received, opened: 1, closed: 0, open: 1 } },
      { [`client tcp ${port} loopback`]: { ...sent, opened: 1, closed: 0, open: 1 } },
      'an open connection',
    )
    await second.die()
    await close(server, client)
    const third = await site.exporter({ args })
    await expectRows(t, third, cgroups)(
      { [`server tcp ${port} loopback`]: { ...received, opened: 1, closed: 1, open: 0 } },
      { [`client tcp ${port} loopback`]: { ...sent, opened: 1, closed: 1, open: 0 } },
      'closed while nobody read',
    )
    t.match(third.log.join('\n'), /counters go on/)
  }),
)

t.test(
  'datagrams that nobody read are counted by the next',
  onSite(async (t, site) => {
    const { pins } = site.bpffs()
    const { cgroups, server, client } = twoAgents(site)
    await (await site.exporter({ args: ['--pin-path', pins] })).die()
    await server.say('socket s 4 udp')
    const { port } = await server.say('bind s 127.0.0.1 0')
    await client.say('socket c 4 udp')
    await client.say(`sendto c 127.0.0.1 ${port} 100 10`)
    await server.say('recv s 10')
    const next = await site.exporter({ args: ['--pin-path', pins] })
    const row = { sent: 1000, received: 0, sentPackets: 10, receivedPackets: 0 }
    t.same(await next.settled({ [`client udp ${port} loopback`]: row }, (scrape) => flowsOf(scrape, cgroups.client)), {
      [`client udp ${port} loopback`]: row,
    })
  }),
)

t.test(
  'killed before any step of a collection, the next exporter has every byte, once',
  onSite(async (t, site) => {
    const { pins } = site.bpffs()
    const args = ['--pin-path', pins, '--collect-interval', '1s']
    const { cgroups, server, client } = twoAgents(site)
    const port = await connect(server, client)
    let up = 0
    const more = async (): Promise<void> => {
      await exchange(server, client, 101, 0)
      up += 101
    }
    await (await site.exporter({ args })).die()
    for (const step of STEPS.flatMap((name) => [`${name}:1`, `${name}:2`])) {
      await more()
      const ended = await runToTheEnd(site.undo, {
        args: ['--listen', '127.0.0.1:0', ...args],
        env: { MORTAL_STEP: step },
        program: MORTAL,
      })
      t.equal(ended.signal, 'SIGKILL', `ended before ${step}`)
      await more()
      const exporter = await site.exporter({ args })
      const rows: Rows = { [`client tcp ${port} loopback`]: { sent: up, received: 0, opened: 0, closed: 0, open: 1 } }
      t.same(await exporter.settled(rows, (scrape) => flowsOf(scrape, cgroups.client)), rows, `all bytes after an end before ${step}`)
      await exporter.die()
    }
  }),
)

t.test(
  'a second exporter on the same path is refused with exit code 2 and goes on to be when the first was killed',
  onSite(async (t, site) => {
    const { pins } = site.bpffs()
    const args = ['--pin-path', pins, '--listen', '127.0.0.1:0']
    const first = await site.exporter({ args })
    for (const word of ['export', 'load', 'unload']) {
      const refused = await runCommand(site.undo, word, { args: ['--pin-path', pins] })
      t.equal(refused.code, 2, word)
      t.match(refused.stderr.join('\n'), new RegExp(`ORB8_PIN_PATH: "${pins}" is in use by another exporter`))
    }
    t.equal((await first.get('/readyz')).status, 200)
    await first.die()
    await site.exporter({ args })
  }),
)

t.test(
  'orb8 load counts from its end on, export takes over, unload leaves nothing',
  onSite(async (t, site) => {
    const { pins } = site.bpffs()
    const { cgroups, server, client } = twoAgents(site)
    const settings = ['--pin-path', pins, '--series-limit', '5000']
    t.equal((await runCommand(site.undo, 'load', { args: settings })).code, 0)
    t.ok(readdirSync(pins).filter((name) => /^ledger_\d+$/.test(name)).length >= 5000 / 1024, 'all memory that the limit needs is there')
    const port = await connect(server, client)
    await exchange(server, client, 77, 88)
    await close(server, client)
    const exporter = await site.exporter({ args: settings })
    t.match(exporter.log.join('\n'), /"origin":"taken over"/)
    await expectRows(t, exporter, cgroups)(
      { [`server tcp ${port} loopback`]: { sent: 88, received: 77, opened: 1, closed: 1, open: 0 } },
      { [`client tcp ${port} loopback`]: { sent: 77, received: 88, opened: 1, closed: 1, open: 0 } },
      'what was between load and export',
    )
    await exporter.stop()
    t.ok(existsSync(join(pins, 'link_orb8_egress')), 'the end of the exporter is not the end of counting')
    t.equal((await runCommand(site.undo, 'unload', { args: settings })).code, 0)
    t.notOk(existsSync(pins))
    t.equal((await runCommand(site.undo, 'unload', { args: settings })).code, 0, 'a second time too')
  }),
)

t.test(
  'orb8 unload leaves what is not ours',
  onSite(async (t, site) => {
    const { pins } = site.bpffs()
    t.equal((await runCommand(site.undo, 'load', { args: ['--pin-path', pins] })).code, 0)
    run('mkdir', join(pins, 'other'))
    t.equal((await runCommand(site.undo, 'unload', { args: ['--pin-path', pins] })).code, 0)
    t.same(readdirSync(pins), ['other'])
  }),
)

t.test(
  'load and unload without a path, and a path on no bpffs, end with one line and 2',
  onSite(async (t, site) => {
    for (const word of ['load', 'unload']) {
      const { code, stderr } = await runCommand(site.undo, word, {})
      t.equal(code, 2)
      t.match(stderr.join('\n'), /^orb8: cannot use ORB8_PIN_PATH: is not set/)
    }
    const { code, stderr } = await runCommand(site.undo, 'export', { args: ['--pin-path', '/tmp'] })
    t.equal(code, 2)
    t.match(stderr.join('\n'), /"\/tmp" is on no bpffs/)
  }),
)

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** A client that scrapes as fast as it is answered; `end` gives what fell from one scrape to the next. */
function scraping(port: number): { readonly end: () => Promise<{ scrapes: number; fallen: string[] }> } {
  let over = false
  let last: Scrape | undefined
  let scrapes = 0
  const fallen: string[] = []
  const run = async (): Promise<void> => {
    while (!over) {
      const now = await scrapeOnce(port)
      if (now === undefined) {
        await sleep(10)
        continue
      }
      scrapes++
      if (last !== undefined) fallen.push(...falls(last, now))
      last = now
    }
  }
  const running = run()
  return {
    async end() {
      over = true
      await running
      return { scrapes, fallen }
    },
  }
}

/** Undefined where nobody answers, or not to the end. */
async function scrapeOnce(port: number): Promise<Scrape | undefined> {
  try {
    const answer = await fetch(`http://127.0.0.1:${port}/metrics`, { signal: AbortSignal.timeout(5000) })
    return answer.ok ? parseExposition(await answer.text()) : undefined
  } catch {
    return undefined
  }
}

const KILLS = 200
const LONGEST_LIFE_MS = 1000
const KILLS_LIMIT_MS = 600_000

// The limit of the whole file, which is else that of one test.
t.setTimeout(2 * KILLS_LIMIT_MS)

t.test(
  `killed ${KILLS} times at random instants under traffic, no counter falls and the sums at the end are exact`,
  onSite(async (t, site) => {
    const { pins } = site.bpffs()
    const args = ['--pin-path', pins, '--collect-interval', '1s']
    const cgroups = { server: site.cgroup('server'), client: site.cgroup('client') }
    const port = await freePort()
    const life = (): Promise<void> =>
      endAfter(site.undo, { args: [...args, '--listen', `127.0.0.1:${port}`] }, Math.random() * LONGEST_LIFE_MS)
    await (await site.exporter({ args })).die()
    const client = scraping(port)
    const served = site.bulk({ cgroup: cgroups.server }, 'serve', { address: '127.0.0.1', port: '0,0,0', threads: 2, limit: 900 })
    const options = { port: (await served.ports()).join(','), connections: 20_000, threads: 2, up: 100, down: 300, spread: true } as const
    const dialled = { sent: 0, received: 0, opened: 0, closed: 0, open: 0 }
    for (let kills = 0; kills < KILLS; ) {
      let over = false
      const bulk = site.bulk({ cgroup: cgroups.client }, 'connect', options).figures()
      const ended = bulk.finally(() => {
        over = true
      })
      for (; !over; kills++) await life()
      add(dialled, told(await ended))
    }
    const { scrapes, fallen } = await client.end()
    t.comment(`${dialled.opened} connections, ${scrapes} scrapes`)
    t.same(fallen, [], 'nothing fell')
    t.ok(scrapes >= 5, 'somebody looked')
    const wanted: Record<'server' | 'client', Row> = { server: told(await served.stop()), client: dialled }
    const last = await site.exporter({ args })
    const read = (scrape: Scrape) => ({ server: whole(scrape, cgroups.server), client: whole(scrape, cgroups.client) })
    const found = await last.settled(wanted, read)
    const scrape = await last.scrape()
    // Where one is missing these say how: never taken up, taken up and never ended, or counted under another name.
    t.comment(`sockets tracked ${sum(scrape, 'orb8_sockets_tracked')}, flows that found no room ${sum(scrape, 'orb8_flow_overflow_total')}`)
    for (const [workload, opened] of openedBy(scrape)) t.comment(`${workload || 'nobody'}: ${opened} opened`)
    t.same(found, wanted, 'exact')
    t.equal(sum(scrape, 'orb8_sockets_untracked_total'), 0, 'the kernel had memory for each')
  }, KILLS_LIMIT_MS),
)

/** By workload, of all there are. */
function openedBy(scrape: Scrape): ReadonlyMap<string, number> {
  const opened = new Map<string, number>()
  for (const { labels, value } of matching(scrape, 'orb8_tcp_connections_opened_total')) {
    opened.set(labels.workload ?? '', (opened.get(labels.workload ?? '') ?? 0) + value)
  }
  return opened
}

function add(into: Record<string, number>, more: Record<string, number | undefined>): void {
  for (const name of Object.keys(into)) into[name] = (into[name] ?? 0) + (more[name] ?? 0)
}

const told = (figures: Figures) => ({
  sent: figures.written,
  received: figures.read,
  opened: figures.connections,
  closed: figures.connections,
  open: 0,
})
