import t from 'tap'
import type { Snapshot } from '../../../src/model.ts'
import { Feed } from '../../../src/publish/otlp/feed.ts'
import type { ToPush } from '../../../src/publish/otlp/messages.ts'
import { manyFlows } from '../snapshots.ts'
import { later, withoutRow } from './pushing.ts'

const types = (messages: Iterable<ToPush>): string => [...messages].map(({ type }) => type).join()
const of = <T extends ToPush['type']>(messages: Iterable<ToPush>, type: T): Extract<ToPush, { type: T }>[] =>
  [...messages].filter((message): message is Extract<ToPush, { type: T }> => message.type === type)

t.test('shapes and labels go over once, values every time', async (t) => {
  const feed = new Feed(false)
  t.equal(types(feed.pages()), '', 'nothing before the first snapshot')
  const snapshot = manyFlows(3)
  feed.add(snapshot)
  t.equal(types(feed.pages()), 'table,rows,values,table,rows,values')
  feed.add(later(snapshot, 1000, 1))
  t.equal(types(feed.pages()), 'values,values')
})

t.test('rows go over in pages, a new one alone', async (t) => {
  const feed = new Feed(false)
  const many = manyFlows(2500)
  feed.add(withoutRow(many, 7))
  t.same(
    of(feed.pages(), 'rows').map(({ rows }) => rows.length),
    [1000, 1000, 499, 1],
  )
  feed.add(many)
  const [added, ...more] = of([...feed.pages()], 'rows')
  t.same(
    added?.rows.map(({ id }) => id),
    [many.flows.rows[7]?.id],
  )
  t.same(more, [])
})

t.test('for differences, a row that leaves is told once with its last values, also one that was never told', async (t) => {
  const feed = new Feed(true)
  const born = manyFlows(3)
  feed.add(born)
  feed.add(withoutRow(born, 1))
  const [left] = of(feed.pages(), 'left')
  t.match(left, { table: 0, rows: [{ id: born.flows.rows[1]?.id, startMs: 0 }] })
  t.same([...(left?.values ?? [])], [...born.flows.values.slice(8, 16)])
  t.same(of(feed.pages(), 'left'), [])
  const cumulative = new Feed(false)
  cumulative.add(born)
  cumulative.add(withoutRow(born, 1))
  t.same(of(cumulative.pages(), 'left'), [])
})

t.test('rows that leave while nobody asks are bounded, and those beyond are counted', async (t) => {
  const feed = new Feed(true)
  const many = manyFlows(10_007)
  const empty: Snapshot = { ...many, flows: { ...many.flows, rows: [], tcp: new Uint8Array(), values: new Float64Array() } }
  feed.add(many)
  feed.add(empty)
  t.equal(feed.takeLost(), 7)
  t.equal(feed.takeLost(), 0)
  t.equal(of(feed.pages(), 'left')[0]?.rows.length, 10_000)
})
