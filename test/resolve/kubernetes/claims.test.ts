import t from 'tap'
import { Claims } from '../../../src/resolve/kubernetes/claims.ts'

t.test('the last one that claims a key has it, and when it goes the one before', async (t) => {
  const claims = new Claims<string, string>()
  t.equal(claims.last('x'), undefined)
  claims.add('x', 'a')
  t.equal(claims.only('x'), 'a')
  claims.add('x', 'b')
  claims.add('x', 'b')
  t.equal(claims.last('x'), 'b')
  t.equal(claims.only('x'), undefined)
  claims.remove('x', 'b')
  claims.remove('x', 'c')
  claims.remove('y', 'c')
  t.equal(claims.last('x'), 'a')
  claims.remove('x', 'a')
  t.equal(claims.has('x'), false)
  t.equal(claims.size, 0)
})
