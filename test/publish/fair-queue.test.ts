import t from 'tap'
import { FairQueue } from '../../src/publish/fair-queue.ts'

const tick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

t.test('works run one at a time, askers in turns', async (t) => {
  const queue = new FairQueue({ ofOne: 10, ofAll: 100 })
  const order: string[] = []
  let running = 0
  const work = (name: string) => async (): Promise<string> => {
    t.equal(++running, 1)
    order.push(name)
    await tick()
    running--
    return name
  }
  const results = ['a1', 'a2', 'a3', 'b1', 'c1', 'b2'].map((name) => queue.run(name.slice(0, 1), work(name)))
  t.strictSame(await Promise.all(results), ['a1', 'a2', 'a3', 'b1', 'c1', 'b2'])
  t.strictSame(order, ['a1', 'a2', 'b1', 'c1', 'a3', 'b2'])
})

t.test('who has filled its share is refused, others are not; room comes back', async (t) => {
  const queue = new FairQueue({ ofOne: 2, ofAll: 4 })
  const gate = Promise.withResolvers<void>()
  const wait = (): Promise<void> => gate.promise
  const all = [queue.run('a', wait), queue.run('a', wait), queue.run('a', wait)]
  t.ok(
    all.every((result) => result !== undefined),
    'one runs, two wait',
  )
  t.equal(queue.run('a', wait), undefined)
  all.push(queue.run('b', wait), queue.run('c', wait))
  t.equal(queue.run('d', wait), undefined, 'full for all')
  gate.resolve()
  await Promise.all(all)
  t.ok(queue.run('a', wait))
  t.ok(queue.run('d', wait))
})

t.test('a work that fails is its asker’s alone', async (t) => {
  const queue = new FairQueue({ ofOne: 2, ofAll: 4 })
  const [bad, good] = [queue.run('a', () => Promise.reject(new Error('no'))), queue.run('a', async () => 1)]
  await t.rejects(bad ?? Promise.resolve(), { message: 'no' })
  t.equal(await good, 1)
})
