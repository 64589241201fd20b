// The units in deploy/systemd: systemd takes them and rates them, and their commands do what they are for under what they restrict. No
// systemd runs here: each line of the unit that matters to the kernel stands for itself.
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import t from 'tap'
import { run } from '../harness/child.ts'
import { confined } from '../harness/confined.ts'
import { Exporter, runProgram } from '../harness/exporter.ts'
import { sum } from '../harness/exposition.ts'
import { onSite, type Site } from '../harness/site.ts'
import { connect, exchange } from '../harness/streams.ts'

const ROOT = join(import.meta.dirname, '..', '..')
const UNITS = join(ROOT, 'deploy', 'systemd')
const NAMES = ['orb8.service', 'orb8-unload.service']
/** Of a user and a group `orb8` that only the test's own mount namespaces know. */
const ID = 54_321
const MOST_EXPOSED = 3

/** Values by key, in order; a key that stands twice has two. */
function linesOf(unit: string): ReadonlyMap<string, readonly string[]> {
  const lines = new Map<string, string[]>()
  for (const [, key = '', value = ''] of readFileSync(join(UNITS, unit), 'utf8').matchAll(/^(\w+)=(.*)$/gm)) {
    lines.set(key, [...(lines.get(key) ?? []), value])
  }
  return lines
}

const only = (lines: ReadonlyMap<string, readonly string[]>, key: string): string => {
  const [value = '', ...others] = lines.get(key) ?? []
  if (others.length > 0) throw new Error(`${key} stands more than once`)
  return value
}

/** The words of a command line as systemd reads them: quotes, and `$$` for a dollar. */
function wordsOf(command: string): string[] {
  const words = [...command.matchAll(/'([^']*)'|"([^"]*)"|(\S+)/g)]
  return words.map(([, single, double, bare]) => (single ?? double ?? bare ?? '').replaceAll('$$', '$'))
}

const sets = new Map<string, readonly string[]>()
function callsIn(name: string): readonly string[] {
  if (!name.startsWith('@')) return [name]
  const known = sets.get(name)
  if (known !== undefined) return known
  const lines = run('systemd-analyze', 'syscall-filter', '--no-pager', name).split('\n').slice(1)
  const calls = lines
    .map((line) => line.trim())
    .filter((line) => /^[@\w]/.test(line))
    .flatMap(callsIn)
  sets.set(name, calls)
  return calls
}

/** What SystemCallFilter leaves, line after line; systemd allows execve and what a process needs to end by itself (@default). */
function callsOf(unit: string): readonly string[] {
  const allowed = new Set(callsIn('@default'))
  for (const line of linesOf(unit).get('SystemCallFilter') ?? []) {
    const calls = line.replace(/^~/, '').split(' ').flatMap(callsIn)
    for (const call of calls) line.startsWith('~') ? allowed.delete(call) : allowed.add(call)
  }
  return [...allowed]
}

/** A host for the units: their command in the path, their user, a bpffs as systemd mounts it. */
function host(site: Site): { bpffs: string; path: string; binds: (readonly [string, string])[] } {
  const folder = mkdtempSync(join(tmpdir(), 'orb8-test-host-'))
  const remove = (): void => rmSync(folder, { recursive: true })
  site.undo.add({ gently: remove, atOnce: remove })
  chmodSync(folder, 0o755)
  const bpffs = site.bpffs().path
  chmodSync(bpffs, 0o700)
  mkdirSync(join(folder, 'bin'))
  mkdirSync(join(folder, 'run', 'orb8', 'pins'), { recursive: true })
  symlinkSync('/mnt/dist/cli.js', join(folder, 'bin', 'orb8'))
  writeFileSync(join(folder, 'passwd'), `${readFileSync('/etc/passwd', 'utf8')}orb8:x:${ID}:${ID}::/:/usr/sbin/nologin\n`)
  writeFileSync(join(folder, 'group'), `${readFileSync('/etc/group', 'utf8')}orb8:x:${ID}:\n`)
  const node = dirname(process.execPath).replace(ROOT, '/mnt')
  return {
    bpffs,
    path: [join(folder, 'bin'), node, process.env.PATH].join(delimiter),
    binds: [
      [join(folder, 'passwd'), '/etc/passwd'],
      [join(folder, 'group'), '/etc/group'],
      [join(folder, 'run'), '/run'],
      [bpffs, '/sys/fs/bpf'],
    ],
  }
}

for (const unit of NAMES) {
  t.test(`systemd takes ${unit}, and rates its exposure below ${MOST_EXPOSED}`, async (t) => {
    const folder = t.testdir(
      Object.fromEntries(NAMES.map((name) => [name, readFileSync(join(UNITS, name), 'utf8').replaceAll('=orb8 ', '=/bin/true ')])),
    )
    t.equal(run('systemd-analyze', 'verify', '--man=no', join(folder, unit)), '')
    const security = run(
      'systemd-analyze',
      'security',
      '--offline=true',
      '--no-pager',
      `--threshold=${MOST_EXPOSED * 10 - 1}`,
      join(folder, unit),
    )
    const exposure = Number(/Overall exposure level for .*: ([\d.]+)/.exec(security)?.[1])
    t.comment(`${unit}: ${exposure}`)
    t.ok(exposure < MOST_EXPOSED)
  })
}

t.test(
  'what the units start loads, exports and unloads under what they restrict',
  onSite(async (t, site) => {
    const { bpffs, path, binds } = host(site)
    const env = { PATH: path }
    const service = linesOf('orb8.service')
    const before = only(service, 'ExecStartPre')
    t.match(before, /^\+/, 'with all privileges, which it gives up by itself')
    const whole = confined({ bounding: ['bpf', 'perfmon', 'net_admin', 'setgid', 'setpcap', 'chown', 'dac_override'], binds })
    const loaded = await runProgram(site.undo, [...whole, ...wordsOf(before.slice(1))], env)
    t.equal(loaded.code, 0, loaded.stderr.join('\n'))
    t.match(loaded.stderr.join('\n'), /"programs":15/)

    t.equal(only(service, 'BindReadOnlyPaths'), '/sys/fs/bpf/orb8:/run/orb8/pins')
    const restricted = confined({
      uid: ID,
      gid: ID,
      bounding: only(service, 'CapabilityBoundingSet')
        .split(' ')
        .map((name) => name.replace('CAP_', '').toLowerCase()),
      readOnly: true,
      seccomp: callsOf('orb8.service'),
      binds: [...binds.slice(0, 3), [join(bpffs, 'orb8'), '/run/orb8/pins']],
    })
    const [, ...words] = wordsOf(only(service, 'ExecStart'))
    const cgroup = site.cgroup('both')
    const exporter = await Exporter.start(site.undo, { wrapper: restricted, env, args: words.slice(1) })
    const [server, client] = [site.agent({ cgroup }), site.agent({ cgroup })]
    await connect(server, client)
    await exchange(server, client, 1000, 2000)
    const read = (scrape: Parameters<typeof sum>[0]): number =>
      sum(scrape, 'orb8_flow_bytes_total', { workload: cgroup.workload, direction: 'egress' })
    t.equal(await exporter.settled(3000, read), 3000)
    t.match(await exporter.stop(), { code: 0 })

    const unload = confined({ bounding: [], seccomp: callsOf('orb8-unload.service'), binds })
    const end = await runProgram(site.undo, [...unload, '/usr/bin/env', ...wordsOf(only(linesOf('orb8-unload.service'), 'ExecStart'))], env)
    t.equal(end.code, 0, end.stderr.join('\n'))
    t.notOk(existsSync(join(bpffs, 'orb8')), 'nothing is pinned any more')
  }),
)
