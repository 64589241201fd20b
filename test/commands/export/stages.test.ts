import t from 'tap'
import { STEPS } from '../../../src/collect/flows.ts'
import { Stages } from '../../../src/commands/export/stages.ts'

function clocked() {
  let ms = 0
  const stages = new Stages(() => ms)
  return { stages, pass: (more: number) => (ms += more) }
}

t.test('a collection falls into its stages, and what is named while it drains is not of the drain', async (t) => {
  const { stages, pass } = clocked()
  pass(1000)
  for (const step of STEPS) {
    stages.step(step)
    pass(10)
    if (step === 'read') await stages.within('resolve', () => pass(500))
  }
  pass(1000)
  await stages.within('snapshot', async () => pass(7))
  pass(1000)
  t.strictSame(Object.fromEntries(stages.take()), { walk: 0.01, drain: 0.05, resolve: 0.5, commit: 0.01, snapshot: 0.007 })
  t.strictSame([...stages.take()], [], 'each is told once')
})

t.test('a stage that fails has taken its time all the same, and ends', async (t) => {
  const { stages, pass } = clocked()
  stages.step('read')
  await t.rejects(
    stages.within('resolve', () => {
      pass(20)
      throw new Error('no')
    }),
    { message: 'no' },
  )
  pass(3)
  t.strictSame(Object.fromEntries(stages.take()), { resolve: 0.02, drain: 0.003 })
  pass(1000)
  t.strictSame([...stages.take()], [], 'what a failed collection left open is over')
})
