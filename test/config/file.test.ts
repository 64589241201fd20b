import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { readBounded, readSettingsFile } from '../../src/config/file.ts'

const read = (text: string) => readSettingsFile('a.yaml', () => text)

t.test('keys come with their lines and native values', async (t) => {
  t.strictSame(await read('# settings\nlisten: :0\nsockets: 7\n\nflow_labels: [a, b]\n'), [
    { key: 'listen', line: 2, value: ':0' },
    { key: 'sockets', line: 3, value: 7 },
    { key: 'flow_labels', line: 5, value: ['a', 'b'] },
  ])
})

t.test('an empty file and an empty value are unset', async (t) => {
  t.strictSame(await read(''), [])
  t.strictSame(await read('# nothing\n'), [])
  t.strictSame(await read('listen:\nsockets: ~\n'), [])
})

t.test('a file that is no map of settings says at which line', async (t) => {
  const wrong: Record<string, RegExp> = {
    'a: [': /"a.yaml" is not valid YAML at line 1: /,
    'a: 1\nb: {\n': /is not valid YAML at line \d/,
    'a: 1\na: 2\n': /is not valid YAML at line 2: Map keys must be unique/,
    'a: *nowhere\n': /is not valid YAML at line 1: /,
    'a: 1\n---\nb: 2\n': /has a second document at line 2/,
    '- a\n': /line 1: it is not a map/,
    '\n\nword\n': /line 3: it is not a map/,
  }
  for (const [text, message] of Object.entries(wrong)) {
    const error: Error = await read(text).then(
      () => new Error('accepted'),
      (thrown) => thrown,
    )
    t.match(error.message, message, JSON.stringify(text))
    t.notMatch(error.message, /\n/)
  }
})

t.test('a bomb of aliases is refused', async (t) => {
  const bomb = [
    'a: &a [x,x,x,x,x,x,x,x,x]',
    ...'bcdefghi'.split('').map((key, index) => `${key}: &${key} [${`*${'abcdefghi'[index]},`.repeat(9)}]`),
  ]
  await t.rejects(read(bomb.join('\n')), { name: 'ConfigError' })
})

t.test('a file that cannot be read says why', async (t) => {
  await t.rejects(readSettingsFile('/nonexistent/a.yaml', readBounded), {
    message: /"\/nonexistent\/a.yaml" cannot be read: ENOENT/,
    exitCode: 2,
  })
  await t.rejects(readSettingsFile('/', readBounded), { message: /cannot be read: EISDIR/ })
  await t.rejects(readSettingsFile('/dev/zero', readBounded), { message: /cannot be read: it is larger than 1 MiB/ })
})

t.test('a file is read whole', async (t) => {
  const path = join(t.testdir(), 'a.yaml')
  const text = `# ${'é'.repeat(300_000)}\nlisten: :1\n`
  writeFileSync(path, text)
  t.equal(readBounded(path), text)
})
