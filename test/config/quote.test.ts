import t from 'tap'
import { named, quoted, quotedPath } from '../../src/config/quote.ts'

t.test('text is quoted and stays on one line', async (t) => {
  t.equal(quoted('a b'), '"a b"')
  t.equal(quoted('two\nlines\u001b[31m\u2028\u009b\u202e'), String.raw`"two\nlines\u001b[31m\u2028\u009b\u202e"`)
})

t.test('what is long is cut', async (t) => {
  t.equal(quoted('x'.repeat(5000)).length, 123)
  t.ok(quoted(Array.from({ length: 5000 }, (_, index) => `label-${index}`)).length < 130)
})

t.test('native values of YAML are shown as they are, circular ones too', async (t) => {
  t.equal(quoted(15), '15')
  t.equal(quoted(['a', 'b']), "[ 'a', 'b' ]")
  const circular: unknown[] = []
  circular.push(circular)
  t.match(quoted(circular), /Circular/)
})

t.test('a plain key needs no quotes, an odd one gets them', async (t) => {
  t.equal(named('--listen'), '--listen')
  t.equal(named('ORB8_X'), 'ORB8_X')
  t.equal(named('a\nb'), String.raw`"a\nb"`)
})

t.test('a user and a password in an address are not shown', async (t) => {
  t.equal(quoted('https://me:secret@host:1/path'), '"https://***@host:1/path"')
  t.equal(quoted('ftp://me:sec@ret@host'), '"ftp://***@host"')
  t.equal(quoted('http://host/a@b'), '"http://host/a@b"')
})

t.test('a path is shown whole, however long, on one line', async (t) => {
  const path = `/${'folder/'.repeat(100)}s\n.yml`
  t.equal(quotedPath(path), JSON.stringify(path))
})
