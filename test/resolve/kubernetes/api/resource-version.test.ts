import t from 'tap'
import { isOlder } from '../../../../src/resolve/kubernetes/api/resource-version.ts'

t.test('versions are compared as numbers of any length', (t) => {
  t.equal(isOlder('9', '10'), true)
  t.equal(isOlder('10', '9'), false)
  t.equal(isOlder('10', '10'), false)
  t.equal(isOlder('9007199254740992', '9007199254740993'), true)
  t.end()
})

t.test('what is no number is never older', (t) => {
  for (const odd of ['', '0', '007', 'abc', '1a', '-5']) {
    t.equal(isOlder(odd, '10'), false, odd)
    t.equal(isOlder('10', odd), false, odd)
  }
  t.end()
})
