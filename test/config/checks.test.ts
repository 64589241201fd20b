import t from 'tap'
import * as z from 'zod/mini'
import {
  absolutePath,
  autoOrPath,
  type Check,
  duration,
  flowLabels,
  listen,
  name,
  networks,
  noneOrUrl,
  optionalPath,
  pathList,
  whole,
  words,
  yesOrNo,
} from '../../src/config/checks.ts'

/** The value, or the first issue's words after a `!`. */
function read(check: Check<unknown>, input: unknown): unknown {
  const result = z.safeParse(check, input)
  return result.success ? result.data : `!${result.error.issues[0]?.message}`
}

t.test('whole numbers come as text or as numbers, and end where their range ends', async (t) => {
  const check = whole(1, 100)
  t.equal(read(check, '1'), 1)
  t.equal(read(check, 100), 100)
  for (const input of ['0', '101', 0, 101]) t.equal(read(check, input), '!is out of range', String(input))
  for (const input of ['', '1.5', 1.5, '1e1', '0x10', ' 1', '-1', 'NaN', Number.NaN, Number.POSITIVE_INFINITY, true, {}, []])
    t.equal(read(check, input), '!is not a whole number', String(input))
})

t.test('durations are text with a unit and end where their range ends', async (t) => {
  const check = duration(1000, 3_600_000)
  t.equal(read(check, '1s'), 1000)
  t.equal(read(check, '1h'), 3_600_000)
  t.equal(read(check, '999ms'), '!is not between 1s and 1h')
  t.equal(read(check, '1h1ms'), '!is not between 1s and 1h')
  for (const input of ['15', 15, '', null]) t.match(read(check, input), /^!is not a duration/)
})

t.test('words, names and paths', async (t) => {
  t.equal(read(words(['a', 'b']), 'b'), 'b')
  t.equal(read(words(['a', 'b']), 'B'), '!is none of them')
  t.equal(read(name, 'node-1.example'), 'node-1.example')
  for (const input of ['', 'a\nb', 'x'.repeat(254)]) t.equal(read(name, input), '!is not a name')
  t.equal(read(name, 7), '!is not text')
  t.equal(read(autoOrPath, 'auto'), 'auto')
  t.equal(read(autoOrPath, '/sys/fs/cgroup'), '/sys/fs/cgroup')
  for (const input of ['sys/fs/cgroup', 'AUTO', '', '/a\0b']) t.equal(read(autoOrPath, input), '!is not an absolute path')
  t.equal(read(autoOrPath, `/${'x'.repeat(5000)}`), '!is too long for a path')
  t.equal(read(optionalPath, 'web.yml'), 'web.yml')
  t.equal(read(optionalPath, ''), undefined)
  t.equal(read(optionalPath, 'a\0b'), '!is not a path')
  t.equal(read(optionalPath, 'x'.repeat(5000)), '!is too long for a path')
})

t.test('yes or no comes as text, or native from a file', async (t) => {
  for (const input of [true, 'true']) t.equal(read(yesOrNo, input), true)
  for (const input of [false, 'false']) t.equal(read(yesOrNo, input), false)
  for (const input of ['yes', '1', 1, '', null]) t.equal(read(yesOrNo, input), '!is neither true nor false', String(input))
})

t.test('paths alone and in a list', async (t) => {
  t.equal(read(absolutePath, '/var/log/pods'), '/var/log/pods')
  for (const input of ['auto', 'var/log', '', '/a\0b']) t.equal(read(absolutePath, input), '!is not an absolute path')
  t.equal(read(absolutePath, 7), '!is not text')
  t.strictSame(read(pathList, '/a/config:b'), ['/a/config', 'b'])
  t.strictSame(read(pathList, ''), [])
  t.strictSame(read(pathList, ':/a:'), ['/a'])
  t.equal(read(pathList, '/a\0b'), '!is no list of paths')
  t.equal(read(pathList, `/${'x'.repeat(70_000)}`), '!is too long for a list of paths')
})

t.test('lists come as text, or native from a file', async (t) => {
  t.strictSame(read(listen, ':1, unix:/a'), [{ host: '', port: 1 }, { path: '/a' }])
  t.strictSame(read(listen, [':1', 'unix:/a']), [{ host: '', port: 1 }, { path: '/a' }])
  t.equal(read(listen, 5), '!is not text')
  t.strictSame(read(flowLabels, 'port, role'), ['role', 'port'])
  t.strictSame(read(flowLabels, ['port', 'role']), ['role', 'port'])
  t.equal(read(flowLabels, 5), '!is not a list of labels')
  t.equal(read(flowLabels, [5]), '!is not a list of labels')
  const text = read(networks, 'a=10.0.0.0/8,b=192.0.2.0/24,b=198.51.100.0/24')
  t.strictSame(read(networks, { a: '10.0.0.0/8', b: ['192.0.2.0/24', '198.51.100.0/24'] }), text)
  t.match(read(networks, { a: '10.0.0.1/8' }), /^!has 10.0.0.1\/8/)
  for (const input of [5, ['a'], { a: 5 }, { a: { b: 'c' } }]) t.equal(read(networks, input), '!is not a list of networks')
})

t.test('what a check gives out is frozen', async (t) => {
  for (const value of [read(listen, ':1'), read(flowLabels, 'role'), read(networks, 'a=10.0.0.0/8'), read(pathList, '/a')])
    t.ok(Object.isFrozen(value))
})

t.test('an address of a web server, as it was written', async (t) => {
  for (const url of ['http://localhost:9400/metrics', 'https://me:word@[::1]:9400', 'HTTP://a']) t.equal(z.parse(noneOrUrl, url), url)
  t.equal(z.parse(noneOrUrl, ''), undefined)
  for (const url of ['localhost:9400', 'ftp://a', 'http://', 'http://a b', 'http://a:99999', '/metrics', 7, `http://${'a'.repeat(3000)}`])
    t.notOk(z.safeParse(noneOrUrl, url).success, String(url).slice(0, 20))
})
