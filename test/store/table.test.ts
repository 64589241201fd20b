import t from 'tap'
import { RTT } from '../../src/metrics.ts'
import { DROP_COLUMNS, FAILURE_COLUMNS, timeColumns } from '../../src/store/columns.ts'
import { ownerLabelSet } from '../../src/store/labels.ts'
import { Ledger } from '../../src/store/ledger.ts'
import { createProcessMemory } from '../../src/store/ledger-memory.ts'
import { Pods } from '../../src/store/pods.ts'
import type { Row } from '../../src/store/row.ts'
import { TallyTable } from '../../src/store/tally-table.ts'

function table(columns = DROP_COLUMNS) {
  const ledger = new Ledger({ memory: createProcessMemory(), identity: '', startMs: 0, tallied: new Set([1]) })
  const table = new TallyTable(ownerLabelSet(), columns, ledger, 1, new Pods())
  let id = 0
  const make = (workload: string) => table.make({ id: ++id, labels: ['', '', '', workload, ''], startMs: 5 }, 8) as Row
  return { table, ledger, make }
}

t.test('rows are found by their key until they leave', async (t) => {
  const { table: drops, make } = table()
  const row = make('web')
  t.equal(drops.find(row.key), row)
  drops.sweep(0, 100)
  t.same(drops.sweep(99, 100), [])
  t.same(drops.sweep(100, 100), [row])
  t.ok(row.gone)
  t.equal(drops.find(row.key), undefined)
  t.equal(drops.publish().rows.length, 0)
})

t.test('a sweep long after the last does not take a row that moved in between', async (t) => {
  const { table: drops, make } = table()
  const row = make('web')
  drops.sweep(0, 100)
  drops.add(row, [1, 0])
  t.same(drops.sweep(1_000_000, 100), [])
  t.same(drops.sweep(1_000_099, 100), [])
})

t.test('rows that left give their slots back, of zeroes', async (t) => {
  const { table: drops, ledger, make } = table()
  drops.add(make('a'), [9, 9])
  t.equal(ledger.used, 1)
  drops.sweep(0, 0)
  drops.sweep(0, 0)
  t.equal(ledger.used, 0)
  make('b')
  t.equal(ledger.used, 1)
  t.same([...drops.publish().values], [0, 0])
})

t.test('rows that were made and taken back were never there', async (t) => {
  const { table: drops, ledger, make } = table()
  const stays = make('a')
  const goes = make('b')
  drops.add(goes, [3, 0])
  ledger.rollback()
  drops.unmake(new Set([goes]))
  t.ok(goes.gone)
  t.equal(drops.find(goes.key), undefined)
  t.equal(drops.find(stays.key), stays)
  t.equal(ledger.used, 1)
})

t.test('a slot given back is not written to by the sweep that follows', async (t) => {
  const { table: drops, ledger, make } = table()
  const goes = make('a')
  drops.add(goes, [3, 0])
  ledger.rollback()
  drops.unmake(new Set([goes]))
  drops.sweep(50, 100)
  t.equal(ledger.numbers.moved(goes.slot), 0)
})

t.test('rows that came back at different times leave at theirs', async (t) => {
  const { table: drops, make } = table()
  const [early, late] = [make('a'), make('b')]
  drops.sweep(0, 100)
  drops.add(late, [1, 0])
  drops.sweep(60, 100)
  t.same(drops.sweep(99, 100), [])
  t.same(drops.sweep(100, 100), [early])
  t.same(drops.sweep(159, 100), [])
  t.same(drops.sweep(160, 100), [late])
})

t.test('copies are true whatever came, moved and left between them', async (t) => {
  const { table: drops, make } = table()
  const rows = ['a', 'b', 'c', 'd'].map(make)
  const shown = () => {
    const { rows, values } = drops.publish()
    return rows.map(({ labels }, at) => `${labels[3]} ${values[at * 2]} ${values[at * 2 + 1]}`)
  }
  rows.forEach((row, index) => {
    drops.add(row, [index, 10 * index])
  })
  t.same(shown(), ['a 0 0', 'b 1 10', 'c 2 20', 'd 3 30'])
  t.same(shown(), ['a 0 0', 'b 1 10', 'c 2 20', 'd 3 30'])
  drops.sweep(0, 100)
  drops.add(rows[1] as Row, [100, 0])
  drops.add(rows[3] as Row, [0, 100])
  // The first and the third are idle.
  drops.sweep(100, 100)
  drops.add(make('e'), [7, 7])
  drops.add(rows[3] as Row, [1, 0])
  t.same(shown(), ['b 101 10', 'd 4 130', 'e 7 7'])
  t.same(shown(), ['b 101 10', 'd 4 130', 'e 7 7'])
})

t.test('a copy does not change with what comes later', async (t) => {
  const { table: drops, make } = table()
  const row = make('web')
  drops.add(row, [5, 6])
  const copy = drops.publish()
  drops.add(row, [1, 1])
  make('other')
  drops.publish()
  t.same([...copy.values], [5, 6])
  t.same(
    copy.rows.map(({ labels }) => labels),
    [['', '', '', 'web', '']],
  )
  t.same(copy.labelNames, ['namespace', 'pod', 'container', 'workload', 'workload_kind'])
})

t.test('lines of a row: one a column, and a count with a histogram’s sum', async (t) => {
  const values = ['', '', '', 'web', '']
  t.equal(table(DROP_COLUMNS).table.linesOf(values), 2)
  t.equal(table(FAILURE_COLUMNS).table.linesOf(values), 6)
  t.equal(table(timeColumns(RTT)).table.linesOf(values), 14)
})
