// Kernel calls that fail: a collection goes on or fails with a clear line, the next makes good, and what counts in the end is exact.
import t from 'tap'
import { still } from '../harness/ends.ts'
import { parseExposition, type Scrape, sum } from '../harness/exposition.ts'
import { FaultyCalls } from '../harness/faulty-calls.ts'
import { falls, flowsOf, totalsOf } from '../harness/flows.ts'
import { onSite } from '../harness/site.ts'
import { connect, exchange } from '../harness/streams.ts'

/** Calls that a collection makes, and what it says of one that fails. */
const CALLS = {
  update: /cannot (swap a flow map|write a map): /,
  lookup: /cannot read a map: /,
  iterCreate: /cannot start orb8_walk: /,
  read: /cannot run orb8_walk: /,
  lookupBatch: /cannot read a flow map: /,
  lookupAndDeleteBatch: /cannot empty a flow map: /,
} as const
const ERRORS = ['EINTR', 'EAGAIN', 'ENOSPC', 'E2BIG', 'EPERM', 'ENOMEM'] as const
/** /healthz gives a collector up after so many. */
const FAILURES = 3

for (const call of Object.keys(CALLS) as (keyof typeof CALLS)[]) {
  t.test(
    `${call} may fail in every way: the next collection has it all, once`,
    onSite(async (t, site) => {
      const faults = new FaultyCalls(site.undo)
      const { pins } = site.bpffs()
      const cgroups = { server: site.cgroup('server'), client: site.cgroup('client') }
      const [server, client] = [site.agent({ cgroup: cgroups.server }), site.agent({ cgroup: cgroups.client })]
      const exporter = await site.exporter({ args: ['--pin-path', pins, '--collect-interval', '1h'], env: faults.env })
      const port = await connect(server, client)
      let up = 0
      let last: Scrape = await exporter.scrape()
      const scrape = async (): Promise<number> => {
        await exchange(server, client, 10, 0)
        up += 10
        const { status, body } = await exporter.get('/metrics')
        if (status !== 200) return status
        const now = parseExposition(body)
        t.same(falls(last, now), [], 'nothing falls')
        last = now
        return status
      }
      for (const { error, every } of ERRORS.flatMap((error) => [1, 2].map((every) => ({ error, every })))) {
        const told = exporter.log.length
        faults.fail({ call, error, every })
        const codes = [await scrape(), await scrape(), await scrape()]
        const { status } = await exporter.get('/healthz')
        faults.stop()
        const name = `${error}, every ${every}. of them: ${codes}, ${faults.failed} failed`
        t.ok(faults.failed > 0 || (every > 1 && faults.seen < every), name)
        t.equal(status, codes.filter((code) => code === 503).length === FAILURES ? 503 : 200, `${name}: health`)
        if (codes.includes(503)) t.match(exporter.log.slice(told).join('\n'), new RegExp(CALLS[call].source + error), `${name}: log`)
        if (every === 1) t.same(codes, [503, 503, 503], `${name}: it does not last for ever, and shows`)
        t.same(flowsOf(await exporter.scrape(), cgroups.client), { [`client tcp ${port} loopback`]: still(up, 0) }, `${name}: exact`)
        t.equal((await exporter.get('/healthz')).status, 200, `${name}: mended`)
      }
    }),
  )
}

/** Series of a chunk of the ledger, and more: it has to grow. */
const MANY = 1300

t.test(
  'memory for more series that is refused leaves the sums exact, and there is room once it is not; what cannot be pinned starts anew',
  onSite(async (t, site) => {
    const faults = new FaultyCalls(site.undo)
    const { pins } = site.bpffs()
    const cgroup = site.cgroup('many')
    const agent = site.agent({ cgroup })
    await agent.say('socket m 4 udp')
    let sent = 0
    const toPorts = async (first: number): Promise<void> => {
      for (let port = first; port < first + MANY; port++) await agent.say(`sendto m 127.0.0.1 ${port} 10`)
      sent += MANY * 10
    }
    const args = ['--pin-path', pins, '--collect-interval', '1h']
    const exporter = await site.exporter({ args, env: faults.env })
    const total = (scrape: Scrape): number | undefined => totalsOf(scrape, cgroup)['egress udp']
    const flows = (scrape: Scrape): number => sum(scrape, 'orb8_flow_bytes_total', { workload: cgroup.workload, direction: 'egress' })
    const node = (scrape: Scrape): number =>
      sum(scrape, 'orb8_flow_bytes_total', { workload: '', direction: 'egress', peer_kind: 'overflow' })
    faults.fail({ call: 'mapCreate', error: 'ENOMEM' })
    await toPorts(20_000)
    const poor = await exporter.scrape()
    t.equal(total(poor), sent, 'the container without memory')
    t.ok(flows(poor) < sent && flows(poor) + node(poor) >= sent, 'what finds not even a row of its workload is in that of the node')
    const crowded = sum(poor, 'orb8_series_overflow_total')
    t.ok(crowded > 0 && faults.failed > 0, `${crowded} flows found no room`)
    faults.fail({ call: 'pin', error: 'EPERM' })
    await toPorts(40_000)
    const after = await exporter.scrape()
    t.equal(total(after), sent, 'the container with it')
    t.equal(flows(after), flows(poor) + MANY * 10, 'flows with it')
    t.equal(sum(after, 'orb8_series_overflow_total'), crowded, 'each has a series')
    t.ok(faults.failed > 0, 'of which nothing could be pinned')
    await exporter.die()
    const next = await site.exporter({ args })
    t.match(next.log.join('\n'), /every counter starts at 0/)
    t.match(next.log.join('\n'), /series are missing from it/)
    t.equal(flows(await next.scrape()), 0)
  }),
)
