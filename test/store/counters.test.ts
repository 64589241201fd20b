import t from 'tap'
import { Counters } from '../../src/store/counters.ts'
import { Ledger } from '../../src/store/ledger.ts'
import { copyOf, keptMemory } from './kept-memory.ts'

const within = (): void => undefined

t.test('a counter goes on over processes, as of the last commit', async (t) => {
  const memory = keptMemory()
  const ledger = new Ledger({ memory, identity: '', startMs: 0 })
  const gap = new Counters(ledger, 3, within).counter('gap')
  t.equal(gap.value(), 0)
  ledger.begin({ number: 1, source: 0 })
  gap.add(1.5)
  gap.add(1)
  Array.from(ledger.commit(0))
  gap.set(-9)
  t.equal(gap.value(), -9)
  const next = new Counters(new Ledger({ memory: copyOf(memory), identity: '', startMs: 0 }), 3, within)
  t.equal(next.counter('gap').value(), 2.5)
  t.equal(next.counter('other').value(), 0)
})

t.test('counters of one name are one', async (t) => {
  const counters = new Counters(new Ledger({ memory: keptMemory(), identity: '', startMs: 0 }), 3, within)
  counters.counter('a').add(1)
  t.equal(counters.counter('a').value(), 1)
})

t.test('their names have a bound, even in memory that has one chunk', async (t) => {
  const counters = new Counters(new Ledger({ memory: keptMemory(1), identity: '', startMs: 0 }), 3, within)
  for (let count = 0; count < 48; count++) counters.counter(`c${count}`)
  t.throws(() => counters.counter('one more'), /no room/)
})

t.test('nothing is counted where it is not allowed', async (t) => {
  const never = (): void => {
    throw new Error('not now')
  }
  const gap = new Counters(new Ledger({ memory: keptMemory(), identity: '', startMs: 0 }), 3, never).counter('gap')
  t.throws(() => gap.add(1), /not now/)
  t.throws(() => gap.set(1), /not now/)
  t.equal(gap.value(), 0)
})
