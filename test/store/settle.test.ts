import t from 'tap'
import { MEASURES, Numbers, type Slot } from '../../src/store/numbers.ts'
import type { Row } from '../../src/store/row.ts'
import { settle } from '../../src/store/settle.ts'

const numbers = new Numbers()
let last = 0

function row(open: number, from: Partial<Row> = {}): Row {
  const slot = ++last as Slot
  numbers.clear(slot)
  numbers.add(slot, MEASURES.active, open)
  const series = { id: slot, labels: [], startMs: 0 }
  return {
    series,
    key: `${slot}`,
    family: 'a',
    slot,
    pod: undefined,
    tcp: true,
    catchAll: false,
    lines: 8,
    moved: false,
    stale: false,
    place: 0,
    gone: false,
    ...from,
  }
}

const open = (row: Row): number => numbers.total(row.slot, MEASURES.active)
const byFamily = (row: Row): string => row.family
const anyone = (): string => ''

function settled(rows: readonly Row[], likenesses = [byFamily, anyone]): { open: number[]; owing: number } {
  const owing = new Set(rows.filter((row) => open(row) < 0))
  settle(owing, rows, likenesses, numbers)
  return { open: rows.map(open), owing: owing.size }
}

t.test('a close without an open is taken from the row that opened', async (t) => {
  t.same(settled([row(3), row(-1)]), { open: [2, 0], owing: 0 })
})

t.test('of several rows the catch-all gives first, then the still ones, then the moving; the oldest before the younger', async (t) => {
  const rows = (lack: number) => [row(1, { moved: true }), row(1), row(1), row(1, { catchAll: true, moved: true }), row(lack)]
  t.same(settled(rows(-1)).open, [1, 1, 1, 0, 0])
  t.same(settled(rows(-2)).open, [1, 0, 1, 0, 0])
  t.same(settled(rows(-3)).open, [1, 0, 0, 0, 0])
  t.same(settled(rows(-4)).open, [0, 0, 0, 0, 0])
})

t.test('another family gives only what its own cannot', async (t) => {
  t.same(settled([row(5, { family: 'b' }), row(1), row(-3)]), { open: [3, 0, 0], owing: 0 })
})

t.test('two that lack share what one has', async (t) => {
  t.same(settled([row(-1), row(4), row(-2)]), { open: [0, 1, 0], owing: 0 })
})

t.test('what nobody has stays owed', async (t) => {
  t.same(settled([row(2), row(-5), row(0)]), { open: [0, -3, 0], owing: 1 })
})

t.test('a row that has been paid meanwhile owes nothing', async (t) => {
  const paid = row(1)
  const owing = new Set([paid])
  settle(owing, [row(4), paid], [anyone], numbers)
  t.equal(owing.size, 0)
  t.equal(open(paid), 1)
})
