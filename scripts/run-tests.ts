// Runs test files one after another, each a process of its own, counts what they assert, and looks at what they leave behind.
// With files as arguments these alone; else the checks and all of test/. Its last line is `N passed, N failed`.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, globSync, statSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { Parser, type Result } from 'tap-parser'
import { processes, traces } from './leftovers.ts'

/** What tap gives one test() without a limit of its own, and all of a file that names none. */
const TEST_LIMIT_S = 600
/** For a file that is stuck so that not even tap ends it. */
const FILE_LIMIT_MS = 15 * 60_000
/** The kernel frees programs and cgroups after a grace period. */
const GRACE_MS = 5000
const STDERR_KEPT = 16_384

interface Outcome {
  readonly passed: number
  /** At least one where anything is wrong: an end by a signal, a plan not kept, no assertion at all. */
  readonly failed: number
  readonly skipped: number
  readonly report: readonly string[]
}

function testFiles(named: readonly string[]): readonly string[] {
  if (named.length > 0) {
    return named.flatMap((path) => (isFolder(path) ? globSync(`${path.replace(/\/$/, '')}/**/*.test.ts`).sort() : [path]))
  }
  const turn = (path: string): number => (path.startsWith('test/e2e/') ? 2 : path.startsWith('test/kernel/') ? 1 : 0)
  return globSync('test/**/*.test.ts').sort((a, b) => turn(a) - turn(b) || a.localeCompare(b))
}

const isFolder = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false

async function run(file: string): Promise<Outcome> {
  if (!existsSync(file)) return { passed: 0, failed: 1, skipped: 0, report: ['there is no such file'] }
  const mark = `TEST_RUN_ID=${randomUUID()}`
  const before = traces()
  // A session of its own, so that what it started can be found and ended.
  const child = spawn(process.execPath, [file], {
    detached: true,
    env: {
      ...process.env,
      TAP: '1',
      TAP_TIMEOUT: process.env.TAP_TIMEOUT ?? String(TEST_LIMIT_S),
      TEST_RUN_ID: mark.slice('TEST_RUN_ID='.length),
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  running = child
  const limit = setTimeout(() => child.kill('SIGKILL'), FILE_LIMIT_MS)
  const errors = lastOf(child)
  const tap = parse(child)
  const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null]
  clearTimeout(limit)
  const alive = await stillThere(() => processes(child.pid ?? 0, mark).map(({ pid, command }) => `process ${pid} ${command}`))
  for (const { pid } of processes(child.pid ?? 0, mark)) end(pid)
  // Whoever held its output is dead by now: nothing more can come.
  const counted = await tap
  const left = await stillThere(() => [...traces()].filter((trace) => !before.has(trace)))
  const problems = [
    ...(signal === null ? [] : [`ended by ${signal}`]),
    ...(code === 0 || signal !== null || counted.failed + counted.problems.length > 0 ? [] : [`ended with exit code ${code}`]),
    ...(signal === null ? counted.problems : []),
    ...alive.map((what) => `left behind: ${what}`),
    ...left.map((what) => `left behind: ${what}`),
  ]
  const failed = counted.failed + problems.length
  const stderr = failed > 0 && errors() !== '' ? ['stderr:', errors()] : []
  return { passed: counted.passed, failed, skipped: counted.skipped, report: [...problems, ...counted.report, ...stderr] }
}

function end(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It was faster.
  }
}

interface Counted {
  readonly passed: number
  readonly failed: number
  readonly skipped: number
  readonly problems: readonly string[]
  readonly report: readonly string[]
}

async function parse(child: ChildProcess): Promise<Counted> {
  const report: string[] = []
  const count = { passed: 0, failed: 0, skipped: 0 }
  const parser = new Parser({ name: '' })
  watch(parser)
  parser.on('extra', (text: string) => report.push(`printed: ${text.trimEnd()}`))
  child.stdout?.setEncoding('utf8')
  child.stdout?.on('data', (text: string) => parser.write(text))
  const complete = once(parser, 'complete')
  await once(child.stdout ?? child, 'close')
  parser.end()
  await complete

  const problems: string[] = []
  if (parser.bailedOut !== false) problems.push(`gave up: ${parser.bailedOut}`)
  else if (count.passed + count.failed + count.skipped === 0) problems.push('asserts nothing')
  else if (!parser.ok && count.failed === 0) problems.push('did not keep its plan: it stopped half-way, or a test in it did')
  return { ...count, problems, report: count.failed > 0 || problems.length > 0 ? report : [] }

  // A test point that closes a subtest says nothing that the subtest's own have not said, unless it has none.
  function watch(level: Parser): void {
    let closes: Parser | undefined
    level.on('child', (child: Parser) => {
      closes = child
      watch(child)
    })
    level.on('assert', (result: Result) => {
      const said = closes !== undefined && closes.count > 0 && (result.ok || closes.fail > 0)
      closes = undefined
      if (said) return
      if (result.skip || result.todo) count.skipped++
      else if (result.ok) count.passed++
      else {
        count.failed++
        report.push(`not ok: ${result.fullname}`, details(result))
      }
    })
  }
}

function details({ diag }: Result): string {
  const { stack, source, diff, at, ...rest } = (diag ?? {}) as Record<string, unknown>
  const texts = [diff, source, stack].filter((text): text is string => typeof text === 'string')
  const others = Object.entries(rest).map(([key, value]) => `${key}: ${typeof value === 'string' ? value : JSON.stringify(value)}`)
  return [...others, ...texts].join('\n').trimEnd().replaceAll(/^/gm, '    ')
}

/** The end of what it says on stderr. */
function lastOf(child: ChildProcess): () => string {
  let kept = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    kept = (kept + text).slice(-STDERR_KEPT)
  })
  return () => kept.trimEnd()
}

/** What `look` finds at once and then every time within the time of grace; others' things come and go meanwhile. */
async function stillThere(look: () => readonly string[]): Promise<readonly string[]> {
  let found = look()
  for (const end = Date.now() + GRACE_MS; found.length > 0 && Date.now() < end; ) {
    await sleep(100)
    const now = new Set(look())
    found = found.filter((what) => now.has(what))
  }
  return found
}

function runChecks(): Outcome {
  const ok = spawnSync('bash', ['scripts/check.sh'], { stdio: ['ignore', 'inherit', 'inherit'] }).status === 0
  return { passed: ok ? 1 : 0, failed: ok ? 0 : 1, skipped: 0, report: [] }
}

// What runs is in a session of its own: a Ctrl-C does not reach it by itself. It undoes what it made.
let running: ChildProcess | undefined
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.once(signal, () => {
    running?.kill('SIGTERM')
    process.exit(1)
  })

const named = process.argv.slice(2)
const total = { passed: 0, failed: 0, skipped: 0 }

function tell(name: string, outcome: Outcome, startedMs: number): void {
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1)
  const counts = [
    `${outcome.passed} passed`,
    ...(['failed', 'skipped'] as const).filter((key) => outcome[key] > 0).map((key) => `${outcome[key]} ${key}`),
  ]
  console.log(`${outcome.failed > 0 ? 'FAIL' : 'ok  '} ${name} (${counts.join(', ')}, ${seconds} s)`)
  for (const line of outcome.report) console.log(line.replaceAll(/^/gm, '     '))
  for (const key of ['passed', 'failed', 'skipped'] as const) total[key] += outcome[key]
}

if (named.length === 0) {
  const startedMs = performance.now()
  tell('checks', runChecks(), startedMs)
}
const files = testFiles(named)
for (const file of files) {
  const startedMs = performance.now()
  tell(file, await run(file), startedMs)
}
if (files.length === 0) tell('test/', { passed: 0, failed: 1, skipped: 0, report: ['there is no test here'] }, performance.now())
console.log(`\n${total.passed} passed, ${total.failed} failed${total.skipped > 0 ? `, ${total.skipped} skipped` : ''}`)
process.exitCode = total.failed > 0 ? 1 : 0
