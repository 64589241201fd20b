import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import { createRounds, type Rounds } from '../../src/publish/rounds.ts'

interface Manual {
  readonly rounds: Rounds<number>
  /** Collections begun. */
  begun: number
  running: number
  mostRunning: number
  end(error?: Error): Promise<void>
  nowMs: number
}

/** Collections that end when the test says so; each gives its number. */
function manual(): Manual {
  let finish: ((error?: Error) => void) | undefined
  const state: Manual = {
    begun: 0,
    running: 0,
    mostRunning: 0,
    nowMs: 0,
    async end(error) {
      finish?.(error)
      await setImmediate()
    },
    rounds: createRounds(
      () => {
        const number = ++state.begun
        state.running++
        state.mostRunning = Math.max(state.mostRunning, state.running)
        return new Promise<number>((resolve, reject) => {
          finish = (error) => {
            state.running--
            if (error === undefined) resolve(number)
            else reject(error)
          }
        })
      },
      { stuckAfterMs: 30_000, nowMs: () => state.nowMs },
    ),
  }
  return state
}

t.test('500 at once: two collections', async (t) => {
  const state = manual()
  const joined = Array.from({ length: 500 }, () => state.rounds.join())
  t.equal(state.begun, 1)
  await state.end()
  t.equal(state.begun, 2)
  await state.end()
  t.same(await Promise.all(joined), [1, ...Array(499).fill(2)])
  t.equal(state.begun, 2)
  t.equal(state.mostRunning, 1)
})

t.test('who asks while a collection runs gets the next, who asks after it a new one', async (t) => {
  const state = manual()
  const first = state.rounds.join()
  const second = state.rounds.join()
  await state.end()
  t.equal(await first, 1)
  const third = state.rounds.join()
  t.equal(state.begun, 2)
  await state.end()
  t.equal(await second, 2)
  t.equal(state.begun, 3)
  await state.end()
  t.equal(await third, 3)
  const fourth = state.rounds.join()
  t.equal(state.begun, 4)
  await state.end()
  t.equal(await fourth, 4)
})

t.test('a joiner that asks the moment a collection ends never meets a second one beside', async (t) => {
  const state = manual()
  const late: Promise<number>[] = []
  // Each joins in another microtask around the end of the first.
  const ask = async (turns: number): Promise<void> => {
    for (let turn = 0; turn < turns; turn++) await undefined
    late.push(state.rounds.join())
  }
  const first = state.rounds.join()
  const second = state.rounds.join()
  const ending = state.end()
  await Promise.all([ending, ...Array.from({ length: 12 }, (_, turns) => ask(turns))])
  t.equal(state.mostRunning, 1)
  while (state.running > 0) await state.end()
  t.equal(await first, 1)
  t.equal(await second, 2)
  for (const number of await Promise.all(late)) t.ok(number === 2 || number === 3)
  t.equal(state.mostRunning, 1)
})

t.test('a collection that fails is the failure of those who joined it, the next goes on', async (t) => {
  const state = manual()
  const [first, second] = [state.rounds.join(), state.rounds.join()]
  const failed = t.rejects(first, { message: 'EIO' })
  await state.end(new Error('EIO'))
  await failed
  await state.end()
  t.equal(await second, 2)
})

t.test('a collection that fails at once, and one that nobody waits for', async (t) => {
  let begun = 0
  const rounds = createRounds((): Promise<number> => {
    begun++
    throw new Error('at once')
  })
  await t.rejects(rounds.join(), { message: 'at once' })
  rounds.join()
  await t.rejects(rounds.join(), { message: 'at once' })
  t.equal(begun, 3)
})

t.test('health falls with the third failure in a row and comes back with a success', async (t) => {
  const state = manual()
  const round = async (error?: Error): Promise<boolean> => {
    const joined = state.rounds.join().catch(() => undefined)
    await state.end(error)
    await joined
    return state.rounds.health().ok
  }
  t.same(state.rounds.health(), { ok: true, reason: 'ok' })
  const error = new Error('cannot read\nthe map: EPERM')
  t.equal(await round(error), true)
  t.equal(await round(error), true)
  t.equal(await round(), true)
  t.equal(await round(error), true)
  t.equal(await round(error), true)
  t.equal(await round(error), false)
  t.same(state.rounds.health(), { ok: false, reason: 'collecting failed 3 times in a row: cannot read the map: EPERM' })
  t.equal(await round(error), false)
  t.equal(await round(), true)
})

t.test('health falls while a collection stands still', async (t) => {
  const state = manual()
  state.nowMs = 1e6
  const joined = state.rounds.join()
  state.nowMs += 30_000
  t.equal(state.rounds.health().ok, true)
  state.nowMs += 1000
  t.same(state.rounds.health(), { ok: false, reason: 'a collection has been running for 31 s' })
  await state.end()
  t.equal(await joined, 1)
  t.equal(state.rounds.health().ok, true)
  state.nowMs += 1e6
  t.equal(state.rounds.health().ok, true)
})
