import t from 'tap'
import { Turns } from '../../src/publish/turns.ts'

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

t.test('what finds no room in a turn goes in the next ones, in order', async (t) => {
  const turns = new Turns(10)
  const done: string[] = []
  const take = (name: string, amount: number): void => {
    void turns.take(amount).then(() => done.push(name))
  }
  take('a', 6)
  take('b', 4)
  take('c', 1)
  take('large', 50)
  take('d', 2)
  await Promise.resolve()
  t.strictSame(done, ['a', 'b'])
  await turn()
  t.strictSame(done, ['a', 'b', 'c'], 'nobody overtakes')
  await turn()
  t.strictSame(done, ['a', 'b', 'c', 'large'])
  await turn()
  t.strictSame(done, ['a', 'b', 'c', 'large', 'd'])
  await turn()
  await turn()
  take('e', 10)
  take('f', 10)
  await Promise.resolve()
  t.equal(done.at(-1), 'e', 'there is room again at once')
  await turn()
  t.equal(done.at(-1), 'f')
})
