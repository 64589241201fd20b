// The test runner told apart what passes from every way not to.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import t from 'tap'

const RUNNER = join(import.meta.dirname, '..', '..', 'scripts', 'run-tests.ts')

interface Ended {
  readonly status: number | null
  readonly lines: readonly string[]
  readonly last: string
}

/** Runs the runner on files of its own. */
function run(files: readonly string[], limitS = 20): Ended {
  const { status, stdout } = spawnSync(process.execPath, [RUNNER, ...files], {
    cwd: join(import.meta.dirname, '..', '..'),
    encoding: 'utf8',
    env: { ...process.env, TAP_TIMEOUT: String(limitS) },
  })
  const lines = stdout.trimEnd().split('\n')
  return { status, lines, last: lines.at(-1) ?? '' }
}

const HEAD = "import t from 'tap'\n"
const ONE = "t.test('one', async (t) => t.ok(true))\n"

t.test('assertions are counted over files, and all passing ends with 0', async (t) => {
  const folder = t.testdir({
    'a.test.ts': `${HEAD}${ONE}`,
    'b.test.ts': `${HEAD}t.ok(true)\nt.test('two', async (t) => { t.ok(true); t.ok(true) })\n`,
  })
  const { status, last } = run([folder])
  t.equal(last, '4 passed, 0 failed')
  t.equal(status, 0)
})

for (const [what, text, last] of [
  ['a failing assertion', `${HEAD}${ONE}t.test('two', async (t) => t.equal(1, 2))\n`, '1 passed, 1 failed'],
  ['a throw', `${HEAD}${ONE}throw new Error('no')\n`, '1 passed, 1 failed'],
  ['a bail out', `${HEAD}${ONE}t.bailout('no')\n`, '0 passed, 1 failed'],
  ['an end by a signal', `${HEAD}t.ok(true)\nprocess.kill(process.pid, 'SIGKILL')\n`, '1 passed, 1 failed'],
  ['an exit in between', `${HEAD}t.ok(true)\nt.test('two', async () => process.exit(0))\n`, '1 passed, 1 failed'],
  ['a plan not kept', `${HEAD}t.test('two', (t) => { t.plan(2); t.ok(true); t.end() })\n`, '1 passed, 1 failed'],
  ['no assertion', 'console.log(1)\n', '0 passed, 1 failed'],
  ['a file that does not parse', 'import t from\n', '0 passed, 1 failed'],
  [
    'a process left behind',
    `${HEAD}import { spawn } from 'node:child_process'\n${ONE}spawn('sleep', ['100'], { detached: true, stdio: 'ignore' }).unref()\n`,
    '1 passed, 1 failed',
  ],
] as const)
  t.test(`${what} fails`, async (t) => {
    const ended = run([t.testdir({ 'a.test.ts': text })])
    t.equal(ended.last, last, ended.lines.join('\n'))
    t.equal(ended.status, 1)
  })

t.test('a file that hangs fails', async (t) => {
  const { status, last } = run(
    [t.testdir({ 'a.test.ts': `${HEAD}t.test('long', () => new Promise(() => setTimeout(() => {}, 1e6)))\n` })],
    1,
  )
  t.match(last, /^0 passed, [1-9]\d* failed$/)
  t.equal(status, 1)
})

t.test('a skipped test neither passes nor fails', async (t) => {
  const { status, last } = run([t.testdir({ 'a.test.ts': `${HEAD}${ONE}t.test('two', { skip: 'not here' }, async () => {})\n` })])
  t.equal(last, '1 passed, 0 failed, 1 skipped')
  t.equal(status, 0)
})

t.test('a file that is not there, or a folder without tests, fails', async (t) => {
  t.equal(run([join(t.testdir({}), 'none.test.ts')]).last, '0 passed, 1 failed')
  t.equal(run([t.testdir({})]).last, '0 passed, 1 failed')
})
