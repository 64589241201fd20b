import t from 'tap'
import { Waits } from '../../../src/resolve/kubernetes/waits.ts'

function world(maxWaiting?: number) {
  const clock = { ms: 5_000_000 }
  return { clock, waits: new Waits({ nowMs: () => clock.ms, ...(maxWaiting !== undefined && { maxWaiting }) }) }
}

t.test('ten seconds from when it was first asked for, and never again while it is remembered', async (t) => {
  const { clock, waits } = world()
  t.equal(waits.mayWait('a'), true)
  clock.ms += 9_999
  t.equal(waits.mayWait('a'), true)
  t.equal(waits.mayWait('b'), true)
  clock.ms += 1
  t.equal(waits.mayWait('a'), false)
  t.equal(waits.mayWait('b'), true)
  clock.ms += 3_600_000
  t.equal(waits.mayWait('a'), false)
})

t.test('one that has got its name waits anew when it loses it', async (t) => {
  const { clock, waits } = world()
  waits.mayWait('a')
  clock.ms += 20_000
  waits.named('a')
  t.equal(waits.mayWait('a'), true)
})

t.test('too many do not wait, those whose time is over make room', async (t) => {
  const { clock, waits } = world(2)
  t.strictSame(
    ['a', 'b', 'c'].map((key) => waits.mayWait(key)),
    [true, true, false],
  )
  t.equal(waits.refused, 1)
  clock.ms += 10_000
  t.equal(waits.mayWait('c'), true)
  t.equal(waits.mayWait('b'), false)
})
