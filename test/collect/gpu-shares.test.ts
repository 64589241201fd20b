import t from 'tap'
import { sharesOf } from '../../src/collect/gpu-shares.ts'

const S = 1e6
const at = (pid: number, seconds: number, sm: number): { pid: number; timeUs: number; sm: number } => ({ pid, timeUs: seconds * S, sm })

t.test('one sample a process is its mean over the window, whenever it was last at work', async (t) => {
  const shares = sharesOf([at(1, 1003, 40), at(2, 1009, 5)], 1000 * S, 1010 * S)
  t.strictSame(
    shares,
    new Map([
      [1, { share: 0.4, timeUs: 1003 * S }],
      [2, { share: 0.05, timeUs: 1009 * S }],
    ]),
  )
})

t.test('several samples of a process weigh as long as they lasted, and the rest of the window is idle', async (t) => {
  const shares = sharesOf([at(1, 1000.5, 100), at(1, 1001, 50), at(2, 1001, 30), at(1, 1008.2, 80)], 1000 * S, 1010 * S)
  // 0.5 s at 100 %, 0.5 s at 50 %, and after a gap one second at 80 %, in ten.
  t.ok(Math.abs((shares.get(1)?.share ?? 0) - 0.155) < 1e-9, `${shares.get(1)?.share}`)
  t.ok(Math.abs((shares.get(2)?.share ?? 0) - 0.015) < 1e-9, `${shares.get(2)?.share}`)
  t.equal(shares.get(1)?.timeUs, 1008.2 * S)
})

t.test('what a driver left in the buffer is no sample', async (t) => {
  const shares = sharesOf(
    [at(0, 1005, 10), at(1, 0, 10), at(2, 999, 10), at(3, 1005, 101), at(4, 1020, 10), at(5, 1005, 4_000_000_000), at(6, 1005, 7)],
    1000 * S,
    1010 * S,
  )
  t.strictSame([...shares.keys()], [6])
})

t.test('no sample is no share, and no share is above one', async (t) => {
  t.equal(sharesOf([], 0, 10 * S).size, 0)
  const full = Array.from({ length: 20 }, (_, index) => at(1, 1000 + (index + 1) / 2, 100))
  t.equal(sharesOf(full, 1000 * S, 1010 * S).get(1)?.share, 1)
})
