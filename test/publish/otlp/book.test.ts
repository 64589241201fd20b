import t from 'tap'
import { Book } from '../../../src/publish/otlp/book.ts'

const START = 1000

t.test('the first difference begins with the row, the next where the last taken one ended', async (t) => {
  const book = new Book(2, 2)
  const first = book.difference(1, 1, [7], START, 2000)
  t.match(first, { startMs: START, endMs: 2000 })
  t.equal(first?.value(0), 7)
  first?.settle('taken')
  t.equal(book.difference(1, 1, [7], START, 3000), undefined, 'nothing was added')
  const next = book.difference(1, 1, [9], START, 4000)
  t.match(next, { startMs: 2000, endMs: 4000 })
  t.equal(next?.value(0), 2)
  t.match(book.difference(0, 0, [1], START, 4000), { startMs: START }, 'each cell has its own times')
})

t.test('what was refused is part of the next difference', async (t) => {
  const book = new Book(1, 1)
  book.difference(0, 0, [7], START, 2000)
  const next = book.difference(0, 0, [10], START, 3000)
  t.match(next, { startMs: START, endMs: 3000 })
  t.equal(next?.value(0), 10)
})

t.test('what may have been taken is offered again just as it was, until it is known', async (t) => {
  const book = new Book(1, 1)
  book.difference(0, 0, [7], START, 2000)?.settle('doubtful')
  for (const timeMs of [3000, 4000]) {
    const again = book.difference(0, 0, [10], START, timeMs)
    t.match(again, { startMs: START, endMs: 2000 })
    t.equal(again?.value(0), 7)
    if (timeMs === 4000) again?.settle('taken')
  }
  const rest = book.difference(0, 0, [10], START, 5000)
  t.match(rest, { startMs: 2000, endMs: 5000 })
  t.equal(rest?.value(0), 3)
})

t.test('what a collector will never take as it is goes into the next difference', async (t) => {
  const book = new Book(1, 1)
  book.difference(0, 0, [7], START, 2000)?.settle('doubtful')
  book.difference(0, 0, [10], START, 3000)?.settle('invalid')
  t.match(book.difference(0, 0, [10], START, 4000), { startMs: START, endMs: 4000 })
})

t.test('a clock that was set back makes no interval that ends before it begins', async (t) => {
  const book = new Book(1, 1)
  book.difference(0, 0, [7], START, 2000)?.settle('taken')
  t.match(book.difference(0, 0, [8], START, 1500), { startMs: 2000, endMs: 2000 })
})
