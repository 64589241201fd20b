import t from 'tap'
import { readFlags } from '../../src/config/flags.ts'
import { ConfigError } from '../../src/errors.ts'

const ALLOWED = new Map([
  ['--listen', 'HOST:PORT'],
  ['--log-level', 'a level'],
])
const read = (...argv: string[]): Record<string, string> => Object.fromEntries(readFlags(argv, ALLOWED))

t.test('both ways of writing a value, and the last of the same name wins', async (t) => {
  t.strictSame(read('--listen', ':1', '--log-level=debug'), { '--listen': ':1', '--log-level': 'debug' })
  t.strictSame(read('--listen=:1', '--listen', ':2'), { '--listen': ':2' })
  t.strictSame(read('--listen=a=b'), { '--listen': 'a=b' })
  t.strictSame(read(), {})
})

t.test('a flag without its value says what goes there', async (t) => {
  for (const argv of [['--listen'], ['--listen='], ['--listen', ''], ['--listen', '--log-level=info']])
    t.throws(() => read(...argv), new ConfigError('--listen', 'its value is missing', 'HOST:PORT'), argv.join(' '))
})

t.test('an unknown flag is named, its value is not', async (t) => {
  t.throws(() => read('--lisen=secret'), { message: 'cannot use --lisen: there is no such flag (did you mean --listen? --help lists all)' })
  for (const flag of ['-v', '--', '-', '--=x', '--__proto__=1']) t.throws(() => read(flag), { name: 'ConfigError' }, flag)
})

t.test('a stray word is no flag', async (t) => {
  t.throws(() => read('--listen', ':1', 'export'), { message: 'cannot use "export": it is not a flag (settings are written --name=value)' })
})
