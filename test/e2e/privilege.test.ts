// Both halves with what they are allowed and nothing more: `orb8 load` with three capabilities, `orb8 export` with none in force, under
// container runtimes' default seccomp profile, on read-only file systems, as a user who has nothing but the pins' group.
import { chmodSync, chownSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { makeCgroup } from '../harness/cgroups.ts'
import { run } from '../harness/child.ts'
import { confined, loader, reader } from '../harness/confined.ts'
import { DisplacedClocks } from '../harness/displaced-clocks.ts'
import { ended, expectRows, still } from '../harness/ends.ts'
import { type Exporter, runCommand, runToTheEnd } from '../harness/exporter.ts'
import { sum } from '../harness/exposition.ts'
import { flowsOf } from '../harness/flows.ts'
import { makeSecondBuild } from '../harness/second-build.ts'
import { onSite, type Site } from '../harness/site.ts'
import { close, connect, exchange } from '../harness/streams.ts'

const GROUP = 54_321
const STRANGERS = 54_322
const CLI = join(import.meta.dirname, '..', '..', 'dist', 'cli.js')
const ATTEMPTS = join(import.meta.dirname, '..', 'harness', 'bpf-attempts.ts')
const EXPORT = ['--listen', '127.0.0.1:0', '--log-level', 'error']

/** A bpffs below which `orb8 load` has pinned for GROUP; with `args` as settings. */
async function loaded(site: Site, args: readonly string[] = []): Promise<string> {
  const { pins } = site.bpffs()
  const { code, stderr } = await load(site, pins, args)
  if (code !== 0) throw new Error(`orb8 load: ${code}: ${stderr.join(' ')}`)
  return pins
}

const load = (site: Site, pins: string, args: readonly string[] = [], wrapper = loader(GROUP), program?: string) =>
  runCommand(site.undo, 'load', { wrapper, args: [...settings(pins), ...args], ...(program === undefined ? {} : { program }) })

const settings = (pins: string): string[] => ['--pin-path', pins, '--pin-group', `${GROUP}`]

/** Of all threads: whatever /proc says of them, each value once. */
function statusOf(pid: number): Record<string, readonly string[]> {
  const seen: Record<string, Set<string>> = {}
  const threads = readdirSync(`/proc/${pid}/task`)
  for (const thread of threads) {
    const status = readFileSync(`/proc/${pid}/task/${thread}/status`, 'utf8')
    for (const [, name = '', value = ''] of status.matchAll(/^(Uid|Gid|Groups|Cap\w+|NoNewPrivs|Seccomp):\s*(.*?)\s*$/gm)) {
      seen[name] ??= new Set()
      seen[name].add(value)
    }
  }
  return { threads: [`${threads.length > 4}`], ...Object.fromEntries(Object.entries(seen).map(([name, values]) => [name, [...values]])) }
}

const NONE = '0000000000000000'
const BPF_ALONE = '0000008000000000'
const powerless = (uid: number) => ({
  threads: ['true'],
  Uid: [`${uid}\t${uid}\t${uid}\t${uid}`],
  Groups: [`${GROUP}`],
  CapInh: [NONE],
  CapPrm: [NONE],
  CapEff: [NONE],
  CapAmb: [NONE],
  CapBnd: [BPF_ALONE],
  NoNewPrivs: ['1'],
  Seccomp: ['2'],
})

for (const uid of [65_534, 4_000_000]) {
  t.test(
    `as user ${uid}, without any capability in force in any thread, it counts what root would, also over a restart`,
    onSite(async (t, site) => {
      const pins = await loaded(site, ['--cidrs', 'here=127.0.0.0/8'])
      const cgroups = { server: site.cgroup('server'), client: site.cgroup('client') }
      const [server, client] = [site.agent({ cgroup: cgroups.server }), site.agent({ cgroup: cgroups.client })]
      const options = {
        wrapper: reader(GROUP, { uid, gid: uid }),
        args: [...settings(pins), '--cidrs', 'here=127.0.0.0/8,there=192.0.2.0/24'],
      }
      const first = await site.exporter(options)
      const port = await connect(server, client)
      await exchange(server, client, 1000, 2000)
      const open = {
        server: { [`server tcp ${port} loopback`]: still(2000, 1000) },
        client: { [`client tcp ${port} loopback`]: still(1000, 2000) },
      }
      await expectRows(t, first, cgroups)(open.server, open.client, 'an open connection is walked')
      await server.say('socket u 4 udp')
      const { port: udp } = await server.say('bind u 127.0.0.1 0')
      await client.say('socket d 4 udp')
      await client.say(`sendto d 127.0.0.1 ${udp} 700 3`)
      await server.say('recv u 3')
      const datagrams = (scrape: Parameters<typeof sum>[0]): number =>
        sum(scrape, 'orb8_flow_bytes_total', { workload: cgroups.client.workload, protocol: 'udp', direction: 'egress' })
      t.equal(await first.settled(2100, datagrams), 2100, 'and datagrams are counted')
      t.match(statusOf(first.pid), powerless(uid))
      await first.die()

      await exchange(server, client, 30, 40)
      const second = await site.exporter(options)
      await close(server, client)
      const rows = (role: string, sent: number, received: number) => ({ [`${role} tcp ${port} loopback`]: ended(sent, received) })
      const wanted = { ...rows('client', 1030, 2040) }
      const read = (scrape: Parameters<typeof flowsOf>[0]) =>
        Object.fromEntries(Object.entries(flowsOf(scrape, cgroups.client)).filter(([key]) => key.includes('tcp')))
      t.same(await second.settled(wanted, read), wanted)
      t.match(second.log.join('\n'), /"origin":"taken over".*counters go on/s)
      const programs = (await second.scrape()).samples.filter(({ name }) => name === 'orb8_bpf_program_loaded')
      t.ok(programs.length > 9 && programs.every(({ value }) => value === 1), 'every program is told as loaded')
      t.match(statusOf(second.pid), powerless(uid))
    }),
  )
}

t.test(
  'after a gap it takes up what was opened meanwhile, by the files of processes that are not its own',
  onSite(async (t, site) => {
    const pins = await loaded(site)
    const clocks = new DisplacedClocks(site.undo)
    const cgroups = { server: site.cgroup('server'), client: site.cgroup('client') }
    const [server, client] = [site.agent({ cgroup: cgroups.server }), site.agent({ cgroup: cgroups.client })]
    clocks.set({ monotonicMs: -20 * 60_000 }) // its heartbeat is so old that the programs rest
    const exporter = await site.exporter({
      ...clocks.options,
      wrapper: reader(GROUP),
      args: [...settings(pins), '--collect-interval', '1h'],
    })
    const port = await connect(server, client)
    await exchange(server, client, 10, 20)
    t.same(flowsOf(await exporter.scrape(), cgroups.client), {}, 'nothing was counted')
    clocks.set({})
    await exporter.scrape()
    t.match(exporter.log.join('\n'), /nobody had read for so long/)
    await exchange(server, client, 1, 2)
    const adopted = (sent: number, received: number) => ({ sent, received, opened: 0, closed: 0, open: 1 })
    await expectRows(t, exporter, cgroups)(
      { [`server tcp ${port} loopback`]: adopted(2, 1) },
      { [`client tcp ${port} loopback`]: adopted(1, 2) },
      'with the right role at both ends, and nothing of its past',
    )
  }),
)

/** What the script says; the wrapper decides who asks. */
function attempts(pins: string, cgroup: string, wrapper: readonly string[]): Record<string, string> {
  const [command = '', ...args] = [...wrapper, process.execPath, ATTEMPTS, pins, cgroup]
  return JSON.parse(run(command, ...args)) as Record<string, string>
}

t.test(
  'the long-running half can neither load nor attach, nor detach or put another program in place',
  onSite(async (t, site) => {
    const pins = await loaded(site)
    const cgroup = makeCgroup(site.undo, 'target')
    const tried = attempts(pins, cgroup.directory, reader(GROUP, { readOnly: false }))
    const done = Object.entries(tried).filter(([, end]) => end === 'done')
    t.same(
      done.map(([what]) => what),
      ['open map_flows_a'],
      'nothing of it was possible but to open a map that it reads and empties',
    )
    const owned = readdirSync(pins).filter((name) => /^(link|program)_/.test(name))
    t.ok(owned.length > 20)
    for (const pin of [...owned, 'about']) t.equal(tried[`open ${pin}`], 'EACCES', pin)
    for (const what of ['create a map', 'load a program', 'pin']) t.match(tried[what], /^(EPERM|EACCES)$/, what)

    const asRoot = attempts(pins, cgroup.directory, confined({ bounding: ['bpf', 'perfmon', 'net_admin', 'sys_admin'] }))
    const able = [
      'create a map',
      'load a program',
      'attach orb8_tcp_state',
      'link orb8_egress',
      'detach orb8_egress',
      'open link_orb8_walk',
      'pin',
    ]
    for (const what of able) t.equal(asRoot[what], 'done', `as root the same attempt works: ${what}`)
  }),
)

t.test(
  "a program that anybody may open is one that anybody may attach: so it is the owner's alone",
  onSite(async (t, site) => {
    const pins = await loaded(site)
    const cgroup = makeCgroup(site.undo, 'target')
    for (const pin of readdirSync(pins)) chmodSync(join(pins, pin), 0o660)
    const tried = attempts(pins, cgroup.directory, reader(GROUP))
    t.match(tried, {
      'attach orb8_tcp_state': 'done',
      'attach orb8_bind4': 'done',
      'detach orb8_egress': 'done',
      'load a program': 'EPERM',
    })
  }),
)

t.test(
  'diagnose finds nothing to mend for the half without capabilities, and for a stranger says what he lacks and for what',
  onSite(async (t, site) => {
    const pins = await loaded(site)
    const diagnose = (wrapper: readonly string[]): Record<string, { status: string; found: string; remedy: string }> => {
      const script = `"$@" 2>&1; true`
      const command = [...wrapper, process.execPath, CLI, 'diagnose', '--output', 'json', '--listen', '127.0.0.1:0', '--pin-path', pins]
      const findings = JSON.parse(run('sh', '-c', script, 'sh', ...command)) as {
        check: string
        status: string
        found: string
        remedy: string
      }[]
      return Object.fromEntries(findings.map(({ check, ...rest }) => [check, rest]))
    }
    const member = diagnose(reader(GROUP))
    t.same(
      Object.entries(member).filter(([, { status }]) => status === 'fail'),
      [],
    )
    t.match(member, {
      CAP_BPF: { status: 'ok', found: 'not held, nor needed with what is pinned' },
      pin_path: { status: 'ok', found: /used by no exporter/ },
      'program orb8_tcp_state': { status: 'ok', found: 'pinned, and runs' },
      dialled_addresses: { status: 'ok', found: /^not for this process to ask: / },
    })
    const stranger = diagnose(reader(STRANGERS))
    t.match(stranger, {
      CAP_BPF: { status: 'fail', remedy: /^for maps and every program: / },
      CAP_PERFMON: { status: 'fail', remedy: /^for TCP and datagrams: / },
      CAP_NET_ADMIN: { status: 'fail', remedy: /^for datagrams: / },
      pin_path: { status: 'warn', found: /cannot be looked into: EACCES/ },
      dialled_addresses: { status: 'warn', found: /^nobody tells who rewrites them: EPERM/ },
      'program orb8_tcp_state': { status: 'fail', remedy: /CAP_BPF/ },
    })
    const denied = diagnose(reader(GROUP, { bounding: [] }))
    t.match(denied, { pin_path: { status: 'fail', found: /not for this process: EPERM/, remedy: /CAP_BPF is in the bounding set/ } })
  }),
)

t.test(
  'what load lacks to give the pins away is one line and 2; a stranger to the group too',
  onSite(async (t, site) => {
    const { pins } = site.bpffs()
    const alien = await load(site, pins, [], loader(STRANGERS))
    t.equal(alien.code, 2)
    t.match(alien.stderr, [new RegExp(`^orb8: cannot use ORB8_PIN_GROUP: .*group ${GROUP}: EPERM.*CAP_CHOWN`)])
    t.equal((await load(site, pins)).code, 0)
    const stranger = await runToTheEnd(site.undo, { wrapper: reader(STRANGERS), args: [...EXPORT, '--pin-path', pins] })
    t.equal(stranger.code, 2)
    t.match(stranger.stderr, [/^orb8: cannot use ORB8_PIN_PATH: .*EACCES.*ORB8_PIN_GROUP/])
  }),
)

t.test(
  'pins of another group, and a directory that a umask closed, are given to the group by the next load',
  onSite(async (t, site) => {
    const { pins } = site.bpffs()
    mkdirSync(pins, { mode: 0o700 })
    t.equal(
      (await runCommand(site.undo, 'load', { wrapper: loader(STRANGERS), args: ['--pin-path', pins, '--pin-group', `${STRANGERS}`] })).code,
      0,
    )
    t.equal((await load(site, pins)).code, 0)
    t.equal(statSync(pins).mode & 0o777, 0o750)
    t.same(new Set(readdirSync(pins).map((name) => statSync(join(pins, name)).gid)), new Set([GROUP]))
    await site.exporter({ wrapper: reader(GROUP), args: settings(pins) })
  }),
)

t.test(
  'what the long-running half cannot mend itself ends its start with one line that says what to do, and touches nothing',
  onSite(async (t, site) => {
    const { pins, path } = site.bpffs()
    const start = (args: readonly string[] = [], wrapper = reader(GROUP)) =>
      runToTheEnd(site.undo, { wrapper, args: [...EXPORT, ...settings(pins), ...args] })
    const refused = async (what: string, code: number, line: RegExp, args: readonly string[] = [], wrapper = reader(GROUP)) => {
      const before = readdirSync(path, { recursive: true })
      const { code: got, stderr } = await start(args, wrapper)
      t.equal(got, code, what)
      t.equal(stderr.length, 1, stderr.join('\n'))
      t.match(stderr[0], line, what)
      t.same(readdirSync(path, { recursive: true }), before, `${what}: nothing is touched`)
    }
    const nobodys = join(path, 'nobodys')
    mkdirSync(nobodys)
    chownSync(nobodys, 65_534, GROUP)
    chmodSync(nobodys, 0o777)
    const { code, stderr } = await load(site, nobodys)
    t.equal(code, 1)
    t.match(stderr, [/^orb8: cannot pin below .*: it belongs to user 65534 \(/])
    t.same(readdirSync(nobodys), [])
    await refused('no directory', 1, /cannot make .*: this process could pin nothing there \(run orb8 load first; .*CAP_BPF\)/)
    mkdirSync(pins, { mode: 0o750 })
    chownSync(pins, 0, GROUP)
    await refused('nothing pinned', 1, /cannot take over what is pinned below .*: nothing is \(run orb8 load/)
    t.equal((await load(site, pins)).code, 0)
    await refused('another size', 1, /another ORB8_FLOW_ENTRIES \(65536, not 4096\) \(run orb8 load/, ['--flow-entries', '4096'])
    await refused('two settings', 1, /ORB8_FLOW_ENTRIES \(65536, not 4096\) and another ORB8_SOCKETS \(262144, not 10\)/, [
      '--flow-entries',
      '4096',
      '--sockets',
      '10',
    ])
    await refused(
      'bpf() denied',
      1,
      /EPERM \(a seccomp profile denies bpf\(\): .*CAP_BPF.*bounding set/,
      [],
      reader(GROUP, { bounding: [] }),
    )
    const rootWithout = confined({ groups: [GROUP], bounding: [] })
    await refused('root without a capability, another size', 1, /run orb8 load .*CAP_BPF/, ['--flow-entries', '4096'], rootWithout)
    await (await site.exporter({ wrapper: reader(GROUP), args: settings(pins) })).scrape()
  }),
)

t.test(
  'a newer version beside one that runs: refused by name while it runs, put in place when it has ended, and the older one is then refused',
  onSite(async (t, site) => {
    const pins = await loaded(site)
    const newer = makeSecondBuild(site.undo)
    const cgroup = site.cgroup('both')
    const [server, client] = [site.agent({ cgroup }), site.agent({ cgroup })]
    const older = await site.exporter({ wrapper: reader(GROUP), args: settings(pins) })
    await connect(server, client)
    await exchange(server, client, 100, 1000)
    const sent = async (exporter: Exporter, wanted: number): Promise<number> =>
      exporter.settled(wanted, (scrape) => sum(scrape, 'orb8_flow_bytes_total', { workload: cgroup.workload, direction: 'egress' }))
    t.equal(await sent(older, 1100), 1100)

    const early = await load(site, pins, [], loader(GROUP), newer)
    t.equal(early.code, 2)
    t.match(early.stderr.at(-1), /in use by another exporter/)
    await exchange(server, client, 1, 1)
    t.equal(await sent(older, 1102), 1102, 'the older one goes on')
    t.match(await older.stop(), { code: 0 })
    older.dead = true

    t.match(await load(site, pins, [], loader(GROUP), newer), { code: 0, stderr: [/"origin":"replaced"/] })
    await exchange(server, client, 2, 2)
    const again = await runToTheEnd(site.undo, { wrapper: reader(GROUP), args: [...EXPORT, ...settings(pins)] })
    t.equal(again.code, 1)
    t.match(again.stderr, [/^orb8: cannot take over what is pinned below .*: it is of another build \(run orb8 load of this version/])
    const now = await site.exporter({ program: newer, wrapper: reader(GROUP), args: settings(pins) })
    t.equal(await sent(now, 1106), 1106, 'counters go on with the newer one')
    t.match(now.log.join('\n'), /counters go on/)
  }),
)

for (const [what, capabilities, code, lost, remedy] of [
  ['CAP_BPF', ['perfmon', 'net_admin'], 1, [], /CAP_BPF/],
  ['CAP_PERFMON', ['bpf', 'net_admin'], 1, [], /CAP_PERFMON/],
  ['CAP_NET_ADMIN', ['bpf', 'perfmon'], 0, ['orb8_egress', 'orb8_ingress'], /CAP_NET_ADMIN/],
] as const) {
  t.test(
    `load without ${what}: ${code === 0 ? 'what it could not attach is told by it and by every export' : 'one line that names it'}`,
    onSite(async (t, site) => {
      const { pins } = site.bpffs()
      const { code: got, stderr } = await load(site, pins, [], loader(GROUP, capabilities))
      t.equal(got, code, stderr.join('\n'))
      t.match(stderr.join('\n'), remedy)
      if (code !== 0) {
        t.equal(stderr.length, 1)
        return
      }
      const exporter = await site.exporter({ wrapper: reader(GROUP), args: settings(pins) })
      const told = exporter.log
        .map((line) => JSON.parse(line) as { program?: string; reason?: string; remedy?: string })
        .filter(({ program }) => program !== undefined)
      const { samples } = await exporter.scrape()
      for (const program of lost) {
        t.match(told.find((line) => line.program === program)?.remedy, remedy, program)
        t.equal(samples.find(({ name, labels }) => name === 'orb8_bpf_program_loaded' && labels.program === program)?.value, 0, program)
      }
    }),
  )
}

t.test(
  'where the pins are taken away it says that nothing is counted any more',
  onSite(async (t, site) => {
    const bpffs = site.bpffs()
    t.equal((await load(site, bpffs.pins)).code, 0)
    const exporter = await site.exporter({ wrapper: reader(GROUP, { readOnly: false }), args: settings(bpffs.pins) })
    for (const name of readdirSync(bpffs.pins)) run('rm', join(bpffs.pins, name))
    await exporter.get('/metrics')
    t.match(exporter.log.join('\n'), /the pins have been removed: nothing is counted until orb8 load has run/)
    t.match(exporter.log.join('\n'), /its pin has gone: run orb8 load/)
    t.equal((await exporter.get('/metrics')).status, 503)
  }),
)
