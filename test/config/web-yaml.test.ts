import t from 'tap'
import { YamlFault, yamlReader } from '../../src/config/web-yaml.ts'

t.test('keys are as they were written, and know their lines', async (t) => {
  const read = await yamlReader()
  t.strictSame(read(''), [])
  t.strictSame(read('# nothing\n'), [])
  t.match(read('a:\n  b: 1\n  007: x\n\nc:\n'), [
    {
      key: 'a',
      line: 1,
      value: { b: 1 },
      entries: [
        { key: 'b', line: 2, value: 1, entries: undefined },
        { key: '007', line: 3 },
      ],
    },
    { key: 'c', line: 5, value: null, entries: undefined },
  ])
  t.match(read('a: &x {k: 1}\nb: *x\n')[1]?.entries, [{ key: 'k', value: 1 }])
})

t.test('what is no map says where, and repeats nothing of it', async (t) => {
  const read = await yamlReader()
  const bombs = Array.from(
    { length: 12 },
    (_, i) => `${'abcdefghijkl'[i]}: &${'abcdefghijkl'[i]} [${i === 0 ? '1' : Array(9).fill(`*${'abcdefghijkl'[i - 1]}`)}]\n`,
  )
  for (const text of [
    '- hunter2\n',
    'hunter2\n',
    'a: *hunter2\n',
    'a: "\\hunter2"\n',
    'a: `hunter2\n',
    'a: hunter2\na: hunter2\n',
    'a: [hunter2\n',
    'a: b: hunter2\n',
    'a: 1\n---\nhunter2: 2\n',
    'a: &hunter2 {b: *hunter2}\n',
    bombs.join(''),
  ]) {
    let said: unknown
    try {
      read(text)
    } catch (error) {
      said = error
    }
    if (said === undefined && text.includes('&hunter2')) continue
    t.ok(said instanceof YamlFault, text)
    t.match(String(said), /line \d+/)
    t.notMatch(String(said), /hunter2/)
  }
})
