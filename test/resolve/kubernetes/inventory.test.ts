import t from 'tap'
import { Inventory, type Listed } from '../../../src/resolve/kubernetes/inventory.ts'

const gone = (inventory: Inventory<Listed>): string[] => {
  const uids: string[] = []
  inventory.listed((_record, uid) => uids.push(uid))
  return uids
}

t.test('a list takes out what it does not name, and a watch between lists adds', async (t) => {
  const inventory = new Inventory<Listed>()
  t.equal(inventory.synced, false)
  inventory.listing()
  for (const uid of ['a', 'b', 'c']) inventory.add(uid, { seen: 0 })
  t.strictSame(gone(inventory), [])
  t.equal(inventory.synced, true)
  inventory.add('d', { seen: 0 })
  t.ok(inventory.take('a'))
  t.equal(inventory.take('a'), undefined)
  inventory.listing()
  inventory.see('b')
  inventory.see('b')
  inventory.add('e', { seen: 0 })
  t.strictSame(gone(inventory), ['c', 'd'])
  t.equal(inventory.size, 2)
})

t.test('a list that names nothing takes out all', async (t) => {
  const inventory = new Inventory<Listed>()
  inventory.listing()
  for (const uid of ['a', 'b']) inventory.add(uid, { seen: 0 })
  inventory.listed(() => t.fail('none has gone'))
  inventory.listing()
  t.strictSame(gone(inventory), ['a', 'b'])
})

t.test('a list that broke off and began again counts from its beginning', async (t) => {
  const inventory = new Inventory<Listed>()
  inventory.listing()
  for (const uid of ['a', 'b']) inventory.add(uid, { seen: 0 })
  inventory.listed(() => t.fail('none has gone'))
  inventory.listing()
  inventory.see('a')
  inventory.listing()
  inventory.see('b')
  inventory.take('b')
  inventory.add('b', { seen: 0 })
  t.strictSame(gone(inventory), ['a'])
})

t.test('a record asked for by name is there until it has gone; nothing is left when all is cleared', async (t) => {
  const inventory = new Inventory<Listed>()
  inventory.add('a', { seen: 0 })
  t.ok(inventory.get('a'))
  inventory.listed(() => t.fail('none has gone'))
  inventory.clear()
  t.equal(inventory.size, 0)
  t.equal(inventory.synced, false)
  t.equal(inventory.see('a'), undefined)
})

t.test('much that a list does not name goes in slices, between which others have their turn', async (t) => {
  const inventory = new Inventory<Listed>()
  inventory.listing()
  for (let index = 0; index < 3000; index++) inventory.add(`old ${index}`, { seen: 0 })
  inventory.listed(() => t.fail('all were named'))
  inventory.listing()
  inventory.add('new', { seen: 0 })
  let taken = 0
  const slices = inventory.listed(() => taken++)
  t.ok(taken > 0 && taken < 3000, `${taken} at once`)
  await slices
  t.equal(taken, 3000)
  t.equal(inventory.size, 1)
})

t.test('what is cleared while it goes in slices is gone at once', async (t) => {
  const inventory = new Inventory<Listed>()
  inventory.listing()
  for (let index = 0; index < 3000; index++) inventory.add(`old ${index}`, { seen: 0 })
  inventory.listing()
  let taken = 0
  const slices = inventory.listed(() => taken++)
  inventory.clear()
  await slices
  t.ok(taken < 3000)
  t.equal(inventory.synced, false)
})
