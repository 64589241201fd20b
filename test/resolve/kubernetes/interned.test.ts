import t from 'tap'
import { Interned, type Shared } from '../../../src/resolve/kubernetes/interned.ts'

t.test('one object for all, until the last one gives it back', async (t) => {
  const interned = new Interned<Shared>((key) => ({ key, holders: 0 }))
  const a = interned.have('a')
  t.equal(interned.have('a'), a)
  t.not(interned.have('b'), a)
  interned.giveBack(a)
  t.equal(interned.size, 2)
  interned.giveBack(a)
  t.equal(interned.size, 1)
  t.not(interned.have('a'), a)
  interned.clear()
  t.equal(interned.size, 0)
})
