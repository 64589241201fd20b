import { closeSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import koffi from 'koffi'
import t from 'tap'
import { Links } from '../../src/kernel/attach.ts'
import { runIterator } from '../../src/kernel/iterator.ts'
import { type Fd, libbpf } from '../../src/kernel/libbpf.ts'
import { type LoadedObject, loadObject, SOCKET_OBJECT } from '../../src/kernel/object.ts'
import { bpfStatsEnabled, ProgramStats } from '../../src/kernel/program-stats.ts'

/** An iterator: it runs when this test wants, once for each open file, and never by itself. */
const PROGRAM = 'orb8_find_listeners'
const BPF_STATS_RUN_TIME = 0

const load = (): LoadedObject => loadObject(SOCKET_OBJECT, { entries: {}, values: {} })
const fdOf = (object: LoadedObject): Fd => libbpf().bpf.bpf_program__fd(object.programs().get(PROGRAM)) as Fd

/** Counting is on for so long as the returned descriptor is open: the machine's setting stays as it is. */
function countRuns(): Fd {
  const enable = koffi.load('libbpf.so.1').func('int bpf_enable_stats(int type)')
  const fd = enable(BPF_STATS_RUN_TIME) as number
  if (fd < 0) throw new Error(`bpf_enable_stats: ${fd}`)
  return fd as Fd
}

/** A /proc that says so. */
const proc = (dir: string): string => join(dir, 'proc')
const saying = (enabled: string) => ({ proc: { sys: { kernel: { bpf_stats_enabled: enabled } } } })

async function run(object: LoadedObject): Promise<void> {
  using links = new Links()
  const program = object.programs().get(PROGRAM)
  if (program === undefined) throw new Error(`the kernel refused ${PROGRAM}`)
  links.attach(PROGRAM, program)
  await runIterator(PROGRAM, links.iterator(PROGRAM))
}

/** What the kernel shows of the program in another place. */
function shown(fd: Fd): { runs: number; seconds: number } {
  const text = readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1')
  const field = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+)$`, 'm').exec(text)?.[1])
  return { runs: field('run_cnt'), seconds: field('run_time_ns') / 1e9 }
}

t.test('runs and their time are what the kernel shows of the program', async (t) => {
  using object = load()
  const stats = new ProgramStats(proc(t.testdir(saying('1\n'))))
  const programs = new Map([[PROGRAM, fdOf(object)]])
  t.strictSame(stats.read(programs).get(PROGRAM), { runs: 0, seconds: 0 })
  const counting = countRuns()
  try {
    for (let i = 0; i < 2; i++) {
      await run(object)
      const read = stats.read(programs).get(PROGRAM)
      t.strictSame(read, shown(fdOf(object)))
      t.ok((read?.runs ?? 0) > 0 && (read?.seconds ?? 0) > 0, JSON.stringify(read))
    }
  } finally {
    closeSync(counting)
  }
})

t.test('sums go on when a program takes the place of another, and when it goes', async (t) => {
  using old = load()
  using young = load()
  const stats = new ProgramStats(proc(t.testdir(saying('1'))))
  const counting = countRuns()
  try {
    await run(old)
    await run(old)
    t.strictSame(stats.read(new Map([[PROGRAM, fdOf(old)]])).get(PROGRAM), shown(fdOf(old)))
    await run(young)
    const both = {
      runs: shown(fdOf(old)).runs + shown(fdOf(young)).runs,
      ns: Math.round((shown(fdOf(old)).seconds + shown(fdOf(young)).seconds) * 1e9),
    }
    const replaced = new Map([[PROGRAM, fdOf(young)]])
    for (const programs of [replaced, replaced, new Map<string, Fd>()]) {
      const read = stats.read(programs).get(PROGRAM)
      t.strictSame({ runs: read?.runs, ns: Math.round((read?.seconds ?? 0) * 1e9) }, both)
    }
  } finally {
    closeSync(counting)
  }
})

t.test('nothing is told where the kernel does not count', async (t) => {
  using object = load()
  const programs = new Map([[PROGRAM, fdOf(object)]])
  const dir = t.testdir({ off: saying('0\n'), on: saying('1\n') })
  t.equal(bpfStatsEnabled(proc(join(dir, 'off'))), false)
  t.equal(bpfStatsEnabled(proc(join(dir, 'on'))), true)
  t.equal(bpfStatsEnabled(join(dir, 'none')), false)
  t.equal(new ProgramStats(proc(join(dir, 'off'))).read(programs).size, 0)
  t.equal(bpfStatsEnabled(), readFileSync('/proc/sys/kernel/bpf_stats_enabled', 'utf8').startsWith('1'))
})

t.test('a descriptor that is none is an error that names the program', async (t) => {
  const stats = new ProgramStats(proc(t.testdir(saying('1'))))
  t.throws(() => stats.read(new Map([['orb8_odd', -1 as Fd]])), { name: 'KernelError', deed: 'ask what orb8_odd did' })
})
