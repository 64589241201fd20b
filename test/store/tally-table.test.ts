import t from 'tap'
import { RTT } from '../../src/metrics.ts'
import type { SeriesColumn } from '../../src/model.ts'
import { timeColumns } from '../../src/store/columns.ts'
import { timeLabelSet } from '../../src/store/labels.ts'
import { Ledger } from '../../src/store/ledger.ts'
import type { LedgerMemory } from '../../src/store/ledger-memory.ts'
import { Pods } from '../../src/store/pods.ts'
import type { Row } from '../../src/store/row.ts'
import { TallyTable } from '../../src/store/tally-table.ts'
import { copyOf, keptMemory } from './kept-memory.ts'

const KIND = 5

function open(memory: LedgerMemory, columns: readonly SeriesColumn[] = timeColumns(RTT)) {
  const ledger = new Ledger({ memory, identity: '', startMs: 0, tallied: new Set([KIND]) })
  return { ledger, table: new TallyTable(timeLabelSet(), columns, ledger, KIND, new Pods()) }
}

const DELTAS = [1, 20, 3, 40, 5, 60, 7, 80, 9, 100, 11, 120, 0.123]

t.test('every column has a number of its own, and all of them go on over processes', async (t) => {
  const memory = keptMemory()
  const { ledger, table } = open(memory)
  ledger.begin({ number: 1, source: 0 })
  const row = table.make({ id: 1, labels: ['shop', '', '', 'web', '', '', ''], startMs: 0 }, 14) as Row
  table.add(row, DELTAS)
  table.add(row, DELTAS)
  const twice = DELTAS.map((delta) => 2 * delta)
  t.same([...table.publish().values], twice)
  Array.from(ledger.commit(0))
  t.same([...table.publish().values], twice)

  const next = open(copyOf(memory))
  const [record] = next.ledger.restored
  if (record === undefined) throw new Error('nothing was restored')
  const kept = next.table.restore(record, record.slot, 14, 0)
  t.same([...next.table.publish().values], twice)
  next.ledger.begin({ number: 2, source: 0 })
  next.table.add(kept, DELTAS)
  const more = [...next.table.publish().values]
  t.same(
    more,
    twice.map((total, column) => total + (DELTAS[column] ?? 0)),
  )
  Array.from(next.ledger.commit(0))
  t.same([...next.table.publish().values], more)
  next.table.add(kept, DELTAS)
  next.ledger.begin({ number: 3, source: 0 })
  next.ledger.rollback()
  next.table.unmake(new Set())
  t.same([...next.table.publish().values], more)
})

t.test('more columns than a slot has numbers are refused', async (t) => {
  const [column] = timeColumns(RTT)
  const columns = Array.from({ length: 17 }, () => column as SeriesColumn)
  t.throws(() => open(keptMemory(), columns), RangeError)
  t.doesNotThrow(() => open(keptMemory(), columns.slice(1)))
})
