import t from 'tap'
import { readEvent, versionOf } from '../../../../src/resolve/kubernetes/api/events.ts'

const object = { kind: 'Pod', metadata: { resourceVersion: '5' } }

t.test('each kind of event is read', (t) => {
  for (const [type, kind] of [
    ['ADDED', 'put'],
    ['MODIFIED', 'put'],
    ['DELETED', 'remove'],
  ]) {
    t.same(readEvent(JSON.stringify({ type, object })), { kind, object, version: '5' })
  }
  t.match(readEvent(JSON.stringify({ type: 'BOOKMARK', object })), { kind: 'bookmark', version: '5' })
  const status = { kind: 'Status', code: 410, reason: 'Expired', message: 'too old' }
  t.same(readEvent(JSON.stringify({ type: 'ERROR', object: status })), {
    kind: 'error',
    status: 410,
    reason: 'Expired',
    message: 'too old',
  })
  t.end()
})

t.test('what is no event is odd, never an error', (t) => {
  for (const line of ['', '{', 'null', '5', '"x"', '[]', '{}', '{"type":"OTHER","object":{}}', '<html>'])
    t.same(readEvent(line), { kind: 'odd' }, line)
  t.end()
})

t.test('an event may lack anything', (t) => {
  t.same(readEvent('{"type":"ADDED"}'), { kind: 'put', object: undefined, version: '' })
  t.same(readEvent('{"type":"ERROR"}'), { kind: 'error', status: 0, reason: '', message: '' })
  for (const odd of [null, 5, {}, { metadata: null }, { metadata: { resourceVersion: 5 } }]) t.equal(versionOf(odd), '')
  t.end()
})
