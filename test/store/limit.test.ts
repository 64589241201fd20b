import t from 'tap'
import { SeriesLimit } from '../../src/store/limit.ts'

t.test('room is taken up to the limit and not a line further', async (t) => {
  const limit = new SeriesLimit(12)
  t.ok(limit.take(8))
  t.notOk(limit.take(8))
  t.equal(limit.used, 8)
  t.ok(limit.take(4))
  t.notOk(limit.take(1))
  t.equal(limit.used, 12)
})

t.test('room given back is used again, and who found none is told to ask again', async (t) => {
  const limit = new SeriesLimit(8)
  limit.take(8)
  const before = limit.returns
  t.notOk(limit.take(4))
  t.equal(limit.returns, before)
  limit.giveBack(8)
  t.not(limit.returns, before)
  t.ok(limit.take(8))
})

t.test('what takes no lines stands outside a full limit', async (t) => {
  const limit = new SeriesLimit(1)
  t.notOk(limit.take(4))
  limit.take(1)
  t.ok(limit.take(0))
})

t.test('room that was taken in vain is put back without telling anybody', async (t) => {
  const limit = new SeriesLimit(8)
  limit.take(8)
  const before = limit.returns
  limit.putBack(8)
  t.equal(limit.used, 0)
  t.equal(limit.returns, before)
})
