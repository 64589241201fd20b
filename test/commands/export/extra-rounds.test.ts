import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { ExtraRounds } from '../../../src/commands/export/extra-rounds.ts'
import { until } from '../../harness/child.ts'

function rounds(leastMs: number) {
  const at: number[] = []
  const began = performance.now()
  return { at, extra: new ExtraRounds(() => at.push(performance.now() - began), leastMs) }
}

t.test('whoever asks gets one, however many ask', async (t) => {
  const { at, extra } = rounds(10)
  for (let i = 0; i < 100; i++) extra.within(0)
  t.same(at, [], 'never within the call')
  await until('one', () => at.length > 0)
  await sleep(30)
  t.equal(at.length, 1)
})

t.test('a storm of wishes is not answered more often than allowed, and its last wish is', async (t) => {
  const { at, extra } = rounds(100)
  const end = performance.now() + 250
  for (; performance.now() < end; await sleep(1)) extra.within(0)
  const wished = at.length
  await sleep(200)
  t.ok(at.length <= 4, `${at.length}`)
  t.ok(wished >= 1)
  for (const [index, ms] of at.entries()) if (index > 0) t.ok(ms - (at[index - 1] ?? 0) >= 95, `${ms}`)
})

t.test('a later wish is served by an earlier one, a sooner wish does not wait for a later one', async (t) => {
  const { at, extra } = rounds(0)
  extra.within(60_000)
  extra.within(0)
  extra.within(60_000)
  await until('one', () => at.length > 0)
  await sleep(20)
  t.equal(at.length, 1)
})

t.test('at its end nothing more comes', async (t) => {
  const { at, extra } = rounds(0)
  extra.within(5)
  extra[Symbol.dispose]()
  await sleep(30)
  t.same(at, [])
})
