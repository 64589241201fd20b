import t from 'tap'
import { Rising } from '../../src/store/rising.ts'

const U32 = 2 ** 32

t.test('a counter is what it says, until it is reset; then it goes on', async (t) => {
  const rising = new Rising()
  t.strictSame(
    [100, 150, 150, 20, 30, 0, 7].map((raw) => rising.total('energy', raw)),
    [100, 150, 150, 170, 180, 180, 187],
  )
  t.equal(rising.total('another', 5), 5)
})

t.test('a counter of 32 bits that wraps goes on by what it counted', async (t) => {
  const rising = new Rising()
  t.strictSame(
    [U32 - 10, 15, 20].map((raw) => rising.total('packets', raw, { wrapsAt: U32 })),
    [U32 - 10, U32 + 15, U32 + 20],
  )
  t.strictSame(
    [4 * U32 - 400, 4].map((raw) => rising.total('bytes', raw, { wrapsAt: 4 * U32 })),
    [4 * U32 - 400, 4 * U32 + 4],
  )
})

t.test('a fall from the middle, or from beyond 32 bits, is a reset and no wrap', async (t) => {
  const rising = new Rising()
  t.strictSame(
    [U32 / 2, 15].map((raw) => rising.total('reset', raw, { wrapsAt: U32 })),
    [U32 / 2, U32 / 2 + 15],
  )
  t.strictSame(
    [5 * U32, 15].map((raw) => rising.total('64 bits', raw, { wrapsAt: U32 })),
    [5 * U32, 5 * U32 + 15],
  )
  t.strictSame(
    [U32 - 10, U32 - 20].map((raw) => rising.total('a step back', raw, { wrapsAt: U32 })),
    [U32 - 10, 2 * U32 - 30],
  )
})

t.test('who was asked for longest ago is forgotten first', async (t) => {
  const rising = new Rising(2)
  rising.total('old', 100)
  rising.total('kept', 100)
  rising.total('old', 100)
  rising.total('new', 100)
  t.equal(rising.total('old', 1), 101)
  t.equal(rising.total('kept', 1), 1)
})

t.test('of two sources that count the same, the one that lags never makes it fall', async (t) => {
  const rising = new Rising()
  const total = (raw: number): number => rising.total('energy', raw, { slack: 50 })
  t.strictSame([1000, 960, 990, 1010, 1100].map(total), [1000, 1000, 1000, 1010, 1100])
  t.strictSame([1050, 20, 30].map(total), [1100, 1120, 1130], 'a fall by more is a reset')
})
