import t from 'tap'
import { flowColumns } from '../../src/store/columns.ts'
import { FlowTable } from '../../src/store/flow-table.ts'
import { flowLabelSet } from '../../src/store/labels.ts'
import { Ledger } from '../../src/store/ledger.ts'
import { createProcessMemory } from '../../src/store/ledger-memory.ts'
import { Pods } from '../../src/store/pods.ts'
import type { Row } from '../../src/store/row.ts'
import { NOTHING } from './flows.ts'

function table(direction = true) {
  const ledger = new Ledger({ memory: createProcessMemory(), identity: '', startMs: 0 })
  const table = new FlowTable(flowLabelSet(['workload', 'protocol', 'peer_kind']), flowColumns(direction), ledger, 1, new Pods())
  let id = 0
  const make = (workload: string, protocol = 'tcp') => {
    const labels = ['', '', '', workload, protocol, 'external']
    return table.make({ id: ++id, labels, startMs: 5 }, 8) as Row
  }
  return { table, ledger, make }
}

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

t.test('a still row whose connections another one closed has no reason to stay any more', async (t) => {
  const { table: flows, make } = table()
  const [still, closing] = [make('a'), make('b')]
  flows.add(still, { ...NOTHING, adopted: 1 })
  flows.sweep(0, 100)
  t.same(flows.sweep(200, 100), [closing], 'it stays')
  const again = make('b')
  flows.add(again, { ...NOTHING, closed: 1 })
  t.same(flows.sweep(201, 100), [still])
})

t.test('rows that were made and taken back were never there, and nobody owes what they owed', async (t) => {
  const { table: flows, ledger, make } = table()
  const stays = make('a')
  const goes = make('b')
  flows.add(goes, { ...NOTHING, closed: 3 })
  ledger.rollback()
  flows.unmake(new Set([goes]))
  t.ok(goes.gone)
  t.equal(flows.find(goes.key), undefined)
  t.equal(flows.find(stays.key), stays)
  t.equal(ledger.used, 1)
  flows.add(stays, { ...NOTHING, opened: 5 })
  flows.sweep(0, 100)
  t.equal(flows.publish().values[4], 5)
})

t.test('of two that owe the older is paid first, whichever was added first: a restart must not matter', async (t) => {
  const { table: flows, make } = table()
  const [older, younger, giver] = [make('a'), make('b'), make('c')]
  flows.add(younger, { ...NOTHING, closed: 1 })
  flows.add(older, { ...NOTHING, closed: 1 })
  flows.add(giver, { ...NOTHING, adopted: 1 })
  flows.sweep(0, 100)
  for (const row of [older, younger]) flows.add(row, { ...NOTHING, opened: 1 })
  const { values, columns } = flows.publish()
  t.same(
    [0, 1, 2].map((row) => values[row * columns.length + 4]),
    [1, 0, 0],
  )
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
