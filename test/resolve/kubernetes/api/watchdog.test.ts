import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { Silence } from '../../../../src/resolve/kubernetes/api/failure.ts'
import { Watchdog } from '../../../../src/resolve/kubernetes/api/watchdog.ts'

const never = new AbortController().signal

t.test('cuts after silence', async (t) => {
  using watchdog = new Watchdog(20, never)
  await t.rejects(watchdog.guard(new Promise(() => undefined)), { name: 'Silence' })
  t.ok(watchdog.signal.reason instanceof Silence)
})

t.test('does not cut who is heard', async (t) => {
  using watchdog = new Watchdog(1000, never)
  for (let i = 0; i < 12; i++) {
    await sleep(100)
    watchdog.heard()
  }
  t.equal(watchdog.signal.aborted, false)
})

t.test('passes on a cut from outside, also one of before', async (t) => {
  const outer = new AbortController()
  using before = new Watchdog(60_000, outer.signal)
  outer.abort(new Error('over'))
  using after = new Watchdog(60_000, outer.signal)
  for (const watchdog of [before, after]) {
    t.equal(watchdog.signal.reason, outer.signal.reason)
    await t.rejects(watchdog.guard(sleep(0)), { message: 'over' })
  }
})

t.test('when let go it cuts no more', async (t) => {
  const watchdog = new Watchdog(10, never)
  watchdog[Symbol.dispose]()
  await sleep(40)
  t.equal(watchdog.signal.aborted, false)
})
