import t from 'tap'
import type { FlowCounts } from '../../src/model.ts'
import { flowColumns } from '../../src/store/columns.ts'
import { flowLabelSet } from '../../src/store/labels.ts'
import { Numbers } from '../../src/store/numbers.ts'
import { Table } from '../../src/store/table.ts'

const NOTHING: FlowCounts = {
  sentBytes: 0,
  receivedBytes: 0,
  sentPackets: 0,
  receivedPackets: 0,
  opened: 0,
  adopted: 0,
  closed: 0,
  retransmitted: 0,
}

function table(direction = true) {
  const numbers = new Numbers()
  const table = new Table(flowLabelSet(['workload', 'protocol', 'peer_kind']), flowColumns(direction), numbers)
  let id = 0
  const make = (workload: string, protocol = 'tcp') => {
    const labels = ['', '', '', workload, protocol, 'external']
    return table.make(table.labels.key(labels), workload + protocol, { id: ++id, labels, startMs: 5 }, 8)
  }
  return { table, numbers, make }
}

t.test('rows are found by their key until they leave', async (t) => {
  const { table: flows, make } = table()
  const row = make('web')
  t.equal(flows.find(row.key), row)
  flows.sweep(0, 100)
  t.same(flows.sweep(99, 100), [])
  t.same(flows.sweep(100, 100), [row])
  t.ok(row.gone)
  t.equal(flows.find(row.key), undefined)
  t.equal(flows.publish().rows.length, 0)
})

t.test('a sweep long after the last does not take a row that moved in between', async (t) => {
  const { table: flows, make } = table()
  const row = make('web')
  flows.sweep(0, 100)
  flows.add(row, { ...NOTHING, sentBytes: 1 })
  t.same(flows.sweep(1_000_000, 100), [])
  t.same(flows.sweep(1_000_099, 100), [])
})

t.test('a row with open connections does not leave, however still', async (t) => {
  const { table: flows, make } = table()
  const row = make('web')
  flows.add(row, { ...NOTHING, adopted: 1 })
  flows.sweep(0, 100)
  t.same(flows.sweep(1000, 100), [])
  flows.add(row, { ...NOTHING, closed: 1 })
  t.same(flows.sweep(2000, 100), [])
  t.same(flows.sweep(2100, 100), [row])
})

t.test('slots of rows that left are used again, from zero', async (t) => {
  const { table: flows, numbers, make } = table()
  flows.add(make('a'), { ...NOTHING, sentBytes: 9, receivedPackets: 9, opened: 1, closed: 1 })
  flows.publish()
  flows.sweep(0, 0)
  flows.sweep(0, 0)
  t.equal(numbers.size, 0)
  make('b')
  t.equal(numbers.size, 1)
  t.same([...flows.publish().values], [0, 0, 0, 0, 0, 0, 0, 0])
})

t.test('each count has its place in the row, both ways told apart or summed', async (t) => {
  const counts = {
    sentBytes: 1,
    receivedBytes: 20,
    sentPackets: 300,
    receivedPackets: 4000,
    opened: 7,
    adopted: 2,
    closed: 4,
    retransmitted: 6,
  }
  const apart = table()
  apart.table.add(apart.make('web'), counts)
  t.same([...apart.table.publish().values], [1, 20, 300, 4000, 5, 7, 4, 6])
  const summed = table(false)
  summed.table.add(summed.make('web'), counts)
  t.same([...summed.table.publish().values], [21, 4300, 5, 7, 4, 6])
})

t.test('a copy says which rows have samples of TCP, and does not change with what comes later', async (t) => {
  const { table: flows, make } = table()
  const web = make('web')
  flows.add(web, { ...NOTHING, sentBytes: 5 })
  flows.add(make('web', 'udp'), { ...NOTHING, sentBytes: 6 })
  const copy = flows.publish()
  flows.add(web, { ...NOTHING, sentBytes: 5 })
  make('third')
  t.same([...copy.tcp], [1, 0])
  t.equal(copy.values[0], 5)
  t.equal(copy.values.length, 2 * copy.columns.length)
  t.same(
    copy.rows.map((row) => row.labels),
    [
      ['', '', '', 'web', 'tcp', 'external'],
      ['', '', '', 'web', 'udp', 'external'],
    ],
  )
  t.same(copy.labelNames, ['namespace', 'pod', 'container', 'workload', 'protocol', 'peer_kind'])
})

t.test('lines of a row without TCP are fewer', async (t) => {
  const { table: flows } = table()
  t.equal(flows.linesOf(['', '', '', 'web', 'tcp', 'pod']), 8)
  t.equal(flows.linesOf(['', '', '', 'web', 'udp', 'pod']), 4)
  t.equal(table(false).table.linesOf(['', '', '', 'web', 'udp', 'pod']), 2)
})
