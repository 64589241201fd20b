// What the machine or a setting refuses ends the start with one clear line and the right code, and leaves nothing.

import { once } from 'node:events'
import { createServer } from 'node:net'
import t from 'tap'
import { ended } from '../harness/ends.ts'
import { Exporter, type ExporterOptions, endSoon, runToTheEnd } from '../harness/exporter.ts'
import { flowsOf } from '../harness/flows.ts'
import { onSite } from '../harness/site.ts'
import { close, connect, exchange } from '../harness/streams.ts'

/** Runs the rest with /sys/kernel/btf hidden. */
const WITHOUT_BTF = ['unshare', '-m', 'sh', '-c', 'mount -t tmpfs none /sys/kernel/btf && exec "$@"', 'sh']
const without = (...capabilities: string[]): string[] => [
  'setpriv',
  `--bounding-set=${['sys_admin', ...capabilities].map((name) => `-${name}`).join(',')}`,
]

for (const [what, wrapper, line] of [
  ['CAP_BPF', without('bpf'), /CAP_BPF/],
  ['CAP_PERFMON', without('perfmon'), /CAP_PERFMON/],
  ['any capability', without('bpf', 'perfmon', 'net_admin'), /CAP_BPF.*|CAP_NET_ADMIN/],
  ['BTF', WITHOUT_BTF, /\/sys\/kernel\/btf\/vmlinux/],
] as const) {
  t.test(
    `without ${what} the start ends with 1 and one line that names it`,
    onSite(async (t, site) => {
      const { code, stderr } = await runToTheEnd(site.undo, { args: ['--listen', '127.0.0.1:0', '--log-level', 'error'], wrapper })
      t.equal(code, 1)
      t.equal(stderr.length, 1, stderr.join('\n'))
      t.match(stderr[0], /^orb8: cannot /)
      t.match(stderr[0], line)
    }),
  )
}

t.test(
  'without CAP_NET_ADMIN TCP is counted all the same, and the log and the metrics say what is not',
  onSite(async (t, site) => {
    const cgroups = { server: site.cgroup('server'), client: site.cgroup('client') }
    const [server, client] = [site.agent({ cgroup: cgroups.server }), site.agent({ cgroup: cgroups.client })]
    const exporter = await site.exporter({ wrapper: without('net_admin') })
    const port = await connect(server, client)
    await exchange(server, client, 1000, 2000)
    await close(server, client)
    const wanted = { [`client tcp ${port} loopback`]: ended(1000, 2000) }
    t.same(await exporter.settled(wanted, (scrape) => flowsOf(scrape, cgroups.client)), wanted)
    const { samples } = await exporter.scrape()
    const loaded = Object.fromEntries(
      samples.filter(({ name }) => name === 'orb8_bpf_program_loaded').map(({ labels, value }) => [labels.program, value]),
    )
    t.match(loaded, { orb8_tcp_state: 1, orb8_walk: 1, orb8_egress: 0, orb8_ingress: 0 })
    const told = exporter.log
      .map((line) => JSON.parse(line) as { program?: string; remedy?: string })
      .filter(({ program }) => program !== undefined)
    t.match(
      told
        .map(({ program, remedy }) => `${program} ${remedy}`)
        .sort()
        .find((line) => line.startsWith('orb8_egress')),
      /CAP_NET_ADMIN/,
    )
  }),
)

t.test(
  'a port taken ends the start with 1 and one line that names it',
  onSite(async (t, site) => {
    const holder = createServer().listen(0, '127.0.0.1')
    site.undo.add({ gently: () => void holder.close(), atOnce: () => void holder.close() })
    await once(holder, 'listening')
    const { port } = holder.address() as { port: number }
    const { code, stderr } = await runToTheEnd(site.undo, { args: ['--listen', `127.0.0.1:${port}`, '--log-level', 'error'] })
    t.equal(code, 1)
    t.equal(stderr.length, 1, stderr.join('\n'))
    t.match(stderr[0], new RegExp(`^orb8: cannot .*${port}`))
  }),
)

t.test(
  'ten wrong settings end the start with 2, each with one line that names the key and what is allowed',
  onSite(async (t, site) => {
    const wrong: readonly (readonly [RegExp, ExporterOptions])[] = [
      [/--no-such-flag/, { args: ['--no-such-flag'] }],
      [/listen/i, { args: ['--listen', '127.0.0.1:99999'] }],
      [/ORB8_LISTEN/, { env: { ORB8_LISTEN: 'nonsense' } }],
      [/ORB8_COLLECT_INTERVAL/, { env: { ORB8_COLLECT_INTERVAL: '5' } }],
      [/ORB8_FLOW_ENTRIES/, { env: { ORB8_FLOW_ENTRIES: '1023' } }],
      [/ORB8_SOCKETS/, { env: { ORB8_SOCKETS: 'many' } }],
      [/ORB8_SERIES_LIMIT/, { env: { ORB8_SERIES_LIMIT: '0' } }],
      [/ORB8_FLOW_LABELS/, { env: { ORB8_FLOW_LABELS: 'workload,colour' } }],
      [/ORB8_CIDRS/, { env: { ORB8_CIDRS: 'office=10.0.0.0/33' } }],
      [/ORB8_DATAPATH/, { env: { ORB8_DATAPATH: 'tc' } }],
    ]
    for (const [key, options] of wrong) {
      const { code, stderr } = await runToTheEnd(site.undo, options)
      t.equal(code, 2, String(key))
      t.equal(stderr.length, 1, stderr.join('\n'))
      t.match(stderr[0], key)
    }
  }),
)

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  t.test(
    `${signal} ends it with 0 in the midst of scrapes and traffic`,
    onSite(async (t, site) => {
      const exporter = await Exporter.start(site.undo)
      const served = site.bulk({}, 'serve', { address: '127.0.0.1', port: 0, threads: 2 })
      const [port = 0] = await served.ports()
      const dialled = site.bulk({}, 'connect', { port, seconds: 2, threads: 2, up: 100, down: 100, end: 'reset' })
      const scrapes = Promise.allSettled(Array.from({ length: 20 }, () => exporter.get('/metrics')))
      t.same(await exporter.stop(signal), { code: 0, signal: null })
      await scrapes
      await dialled.figures()
      await served.stop()
    }),
  )
}

t.test(
  'SIGTERM while it is still starting ends it, and leaves nothing',
  onSite(async (t, site) => {
    for (const delay of [30, 80, 130, 180, 250, 400]) {
      const { code, signal } = await endSoon(site.undo, delay)
      t.ok(code === 0 || signal === 'SIGTERM', `after ${delay} ms: ${code} ${signal}`)
    }
  }),
)

t.test(
  'kill -9 leaves nothing in the kernel where nothing is pinned',
  onSite(async (t, site) => {
    const exporter = await Exporter.start(site.undo)
    await exporter.scrape()
    t.match(await exporter.die(), { signal: 'SIGKILL' })
  }),
)
