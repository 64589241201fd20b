import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { createLogger } from '../src/log.ts'

const LOG = fileURLToPath(new URL('../src/log.ts', import.meta.url))

t.test('an event is one JSON line with its level as a word and its time', async (t) => {
  const lines: string[] = []
  createLogger('info', { write: (line) => lines.push(line) }).warn({ program: 'x' }, 'two\nlines')
  t.equal(lines.length, 1)
  t.match(lines[0], /^[^\n]*\n$/)
  const { time, ...rest } = JSON.parse(lines[0] ?? '')
  t.strictSame(rest, { level: 'warn', program: 'x', msg: 'two\nlines' })
  t.equal(new Date(time).toISOString(), time)
})

t.test('what is below the level is left out', async (t) => {
  const lines: string[] = []
  const destination = { write: (line: string) => lines.push(line) }
  createLogger('error', destination).warn('no')
  createLogger('silent', destination).fatal('no')
  createLogger('trace', destination).trace('yes')
  t.equal(lines.length, 1)
})

t.test('lines go to stderr, and the last one before an abrupt end is there', async (t) => {
  const code = `import { createLogger } from ${JSON.stringify(LOG)}; createLogger('info').info('last'); process.kill(process.pid, 'SIGKILL')`
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: ['ignore', 'pipe', 'pipe'] })
  const [stdout, stderr] = [child.stdout, child.stderr].map((stream) => stream.setEncoding('utf8').toArray())
  t.strictSame(await once(child, 'close'), [null, 'SIGKILL'])
  t.equal((await stdout)?.join(''), '')
  t.match(JSON.parse((await stderr)?.join('') ?? ''), { level: 'info', msg: 'last' })
})

t.test('a reader that has gone away does not end the process', async (t) => {
  const code = `import { createLogger } from ${JSON.stringify(LOG)}
    const log = createLogger('info')
    process.stdin.once('data', () => { for (let i = 0; i < 9; i++) log.info('x'); console.log('alive'); process.exit(0) })`
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: ['pipe', 'pipe', 'pipe'] })
  child.stderr.destroy()
  child.stdin.end('go')
  const stdout = child.stdout.setEncoding('utf8').toArray()
  t.strictSame(await once(child, 'close'), [0, null])
  t.equal((await stdout).join(''), 'alive\n')
})
