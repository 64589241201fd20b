import t from 'tap'
import { Pile } from '../../src/store/pile.ts'

t.test('what was put is taken once, in its order, however much there was before', async (t) => {
  const pile = new Pile<number>()
  t.same(pile.take(), [])
  for (const count of [3, 1000, 2, 0, 5]) {
    const put = Array.from({ length: count }, (_, index) => count + index)
    for (const item of put) pile.put(item)
    t.same(pile.all, put)
    t.same(pile.take(), put)
    t.same(pile.all, [])
  }
})

t.test('what was taken stays as it was', async (t) => {
  const pile = new Pile<string>()
  pile.put('a')
  pile.put('b')
  const taken = pile.take()
  pile.put('c')
  t.same(taken, ['a', 'b'])
  t.same(pile.all, ['c'])
})

t.test('looked at it goes on growing', async (t) => {
  const pile = new Pile<number>()
  for (let item = 0; item < 100; item++) {
    pile.put(item)
    t.equal(pile.all.length, item + 1)
  }
  t.equal(pile.take().at(-1), 99)
})
