import t from 'tap'
import { type Claimant, Contest } from '../../../src/resolve/kubernetes/contest.ts'

const pod = (name: string, startedS: number): Claimant & { name: string } => ({ name, startedS })
const [old, young, third] = [pod('old', 100), pod('young', 200), pod('third', 300)]

t.test('what is drained goes to the one that had the address for most of the time', async (t) => {
  const contest = new Contest(old)
  contest.release(old, 1000)
  contest.claim(young, 1400)
  t.equal(contest.holder(0, 900), old, 'before')
  t.equal(contest.holder(0, 1500), old, 'ten parts of fifteen')
  t.equal(contest.holder(900, 1500), young, 'five parts of six')
  t.equal(contest.holder(0, 2000), young, 'of equals the one that has it')
  t.equal(contest.holder(1500, 3000), young, 'after')
})

t.test('one that has gone keeps what was counted until its end, and nothing after', async (t) => {
  const contest = new Contest(old)
  contest.release(old, 1000)
  t.equal(contest.holder(500, 5000), old)
  t.equal(contest.holder(1000, 5000), old, 'at the very end')
  t.equal(contest.holder(1001, 5000), undefined)
})

t.test('one that still stands there gives way to one that started later, whichever is heard of first', async (t) => {
  const inOrder = new Contest(old)
  inOrder.claim(young, 1000)
  t.equal(inOrder.holder(0, 900), old)
  t.equal(inOrder.holder(1000, 2000), young)
  const outOfOrder = new Contest(young)
  outOfOrder.claim(old, 1000)
  t.equal(outOfOrder.holder(0, 2000), young, 'the old one comes from a cache that lags behind')
  t.equal(outOfOrder.current(), young)
})

t.test('three within one collection', async (t) => {
  const contest = new Contest(old)
  contest.release(old, 100)
  contest.claim(young, 120)
  contest.release(young, 900)
  contest.claim(third, 950)
  t.equal(contest.holder(0, 1000), young)
  t.equal(contest.holder(900, 1000), third)
  t.equal(contest.holder(0, 150), old)
})

t.test('a claim twice is one, and one that ended may begin again', async (t) => {
  const contest = new Contest(old)
  contest.claim(old, 10)
  contest.release(old, 20)
  t.equal(contest.current(), undefined)
  contest.claim(old, 30)
  t.equal(contest.current(), old)
  t.equal(contest.settle(25), old)
})

t.test('it is over when one is left or nobody', async (t) => {
  const contest = new Contest(old)
  contest.release(old, 1000)
  t.equal(contest.settle(1000), undefined, 'what is drained now may be of then')
  contest.claim(young, 1200)
  t.equal(contest.settle(1000), undefined)
  t.equal(contest.settle(1001), young)
  contest.release(young, 2000)
  t.equal(contest.settle(2001), 'nobody')
})

t.test('an address that changes hands all the time remembers the last few', async (t) => {
  const contest = new Contest(old)
  for (let n = 0; n < 1000; n++) {
    const next = pod(`${n}`, 1000 + n)
    contest.claim(next, n)
    contest.release(next, n + 0.5)
  }
  t.equal(contest.holder(999.2, 1e9)?.startedS, 1999)
  t.not(contest.holder(0, 1), old)
})
