import t from 'tap'
import { type After, Waits } from '../../src/publish/deadline.ts'

interface Timers {
  readonly after: After
  readonly set: { readonly ms: number; readonly call: () => void }[]
}

function manualTimers(): Timers {
  const set: Timers['set'] = []
  return {
    set,
    after: (ms, call) => {
      const timer = { ms, call }
      set.push(timer)
      return () => set.splice(set.indexOf(timer), 1)
    },
  }
}

const LATE = { name: 'Late' }
const NEVER = new AbortController().signal

t.test('the result comes to all who wait, also after it was there', async (t) => {
  const { after, set } = manualTimers()
  const waits = new Waits(after)
  const { promise, resolve } = Promise.withResolvers<number>()
  const waiting = [waits.wait(promise, 1000, NEVER), waits.wait(promise, 2000, NEVER)]
  t.same(
    set.map(({ ms }) => ms),
    [1000, 2000],
  )
  resolve(5)
  t.same(await Promise.all(waiting), [5, 5])
  t.equal(await waits.wait(promise, 1000, NEVER), 5)
  t.same(set, [], 'no timer is left')
})

t.test('an error comes to all who wait', async (t) => {
  const waits = new Waits(manualTimers().after)
  const promise = Promise.reject(new Error('EIO'))
  await Promise.all([
    t.rejects(waits.wait(promise, 1, NEVER), { message: 'EIO' }),
    t.rejects(waits.wait(promise, 1, NEVER), { message: 'EIO' }),
  ])
})

t.test('who waits too long or has gone hears at once, the others go on', async (t) => {
  const { after, set } = manualTimers()
  const waits = new Waits(after)
  const { promise, resolve } = Promise.withResolvers<number>()
  const gone = new AbortController()
  const late = t.rejects(waits.wait(promise, 10, NEVER), LATE)
  const left = t.rejects(waits.wait(promise, 20, gone.signal), LATE)
  const stays = waits.wait(promise, 30, NEVER)
  set[0]?.call()
  gone.abort()
  await Promise.all([late, left, t.rejects(waits.wait(promise, 40, gone.signal), LATE)])
  t.same(
    set.map(({ ms }) => ms),
    [30],
  )
  resolve(1)
  t.equal(await stays, 1)
  t.same(set, [])
})
