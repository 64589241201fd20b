import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { ALL_SETTINGS } from '../src/config/settings.ts'

const CLI = fileURLToPath(new URL('../src/cli.ts', import.meta.url))

interface End {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs the real command line, with nothing but `env` in its environment. */
async function orb8(argv: readonly string[], env: Record<string, string> = {}): Promise<End> {
  const child = spawn(process.execPath, [CLI, ...argv], { stdio: ['ignore', 'pipe', 'pipe'], env, timeout: 60_000 })
  const [stdout, stderr, [code]] = await Promise.all([
    child.stdout.setEncoding('utf8').toArray(),
    child.stderr.setEncoding('utf8').toArray(),
    once(child, 'close'),
  ])
  return { code, stdout: stdout.join(''), stderr: stderr.join('') }
}

// Each with a piece of what its line says.
const WRONG: readonly (readonly [readonly string[], Record<string, string>, string])[] = [
  [['export', '--listen=9091'], {}, '--listen: "9091"'],
  [['--listen', ':70000'], {}, '--listen: ":70000"'],
  [['export'], { ORB8_LISTEN: '::1:80' }, 'ORB8_LISTEN: "::1:80"'],
  [[], { ORB8_COLLECT_INTERVAL: '15' }, 'ORB8_COLLECT_INTERVAL: "15"'],
  [['export'], { ORB8_DATAPATH: 'tc' }, 'tc is not available yet in this version'],
  [['export'], { ORB8_FLOW_ENTRIES: '1000' }, '1024 to 4194304'],
  [['export'], { ORB8_SERIES_LIMIT: '0' }, 'ORB8_SERIES_LIMIT: "0"'],
  [['export'], { ORB8_FLOW_LABELS: 'workload,colour' }, '"colour"'],
  [['export'], { ORB8_CIDRS: 'corp=10.0.0.1/8' }, '10.0.0.0/8'],
  [['export'], { ORB8_LOG_LEVEL: 'loud\nand clear' }, 'ORB8_LOG_LEVEL: "loud'],
  [['export', '--lisen=:0'], {}, 'did you mean --listen?'],
  [['export', '--config=/nonexistent.yaml'], {}, 'ENOENT'],
  [['export', 'now'], {}, '"now"'],
  [['diagnose', '--output=xml'], {}, 'text or json'],
  [['diagnose'], { ORB8_SOCKETS: 'many' }, 'ORB8_SOCKETS: "many"'],
  [['diagnos'], {}, 'did you mean diagnose?'],
  [['un\nknown'], {}, 'there is no such command'],
]

for (const [argv, env, part] of WRONG) {
  t.test(`wrong: ${JSON.stringify([...argv, env])} is one line and exit code 2`, async (t) => {
    const { code, stdout, stderr } = await orb8(argv, env)
    t.match(stderr, /^orb8: cannot [^\n]+\n$/)
    t.ok(stderr.includes(part), stderr)
    t.equal(stdout, '')
    t.equal(code, 2)
  })
}

t.test('--help at each level', async (t) => {
  for (const flag of ['--help', '-h']) {
    const overview = await orb8([flag])
    t.match(overview, { code: 0, stderr: '' })
    for (const command of ['orb8 export', 'orb8 diagnose', '--version']) t.ok(overview.stdout.includes(command), command)
  }
  const help = await orb8(['export', '--help'])
  t.match(help, { code: 0, stderr: '' })
  for (const { flag, variable } of ALL_SETTINGS) t.ok(help.stdout.includes(`${flag}=`) && help.stdout.includes(variable), flag)
  t.match(await orb8(['diagnose', '-h']), { code: 0, stderr: '', stdout: /--output=FORMAT/ })
})

t.test('help is given although a setting is wrong', async (t) => {
  t.match(await orb8(['export', '--help'], { ORB8_SOCKETS: 'many' }), { code: 0, stderr: '' })
})

t.test("--version is the package's", async (t) => {
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
  t.strictSame(await orb8(['--version']), { code: 0, stdout: `orb8 ${version}\n`, stderr: '' })
})

t.test('a reader of stdout that goes away is no fault', async (t) => {
  const child = spawn(process.execPath, [CLI, 'export', '--help'], { stdio: ['ignore', 'pipe', 'pipe'], env: {} })
  child.stdout.destroy()
  const [stderr, [code]] = await Promise.all([child.stderr.setEncoding('utf8').toArray(), once(child, 'close')])
  t.strictSame(stderr, [])
  t.equal(code, 0)
})
