import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import { type Reader, Renderings, type Source } from '../../src/publish/renderings.ts'

interface Counted {
  readonly source: () => Source
  /** Sources begun, pages made, sources ended or dropped. */
  readonly seen: { begun: number; made: number; ended: number }
}

function counted(pages: number, { pageBytes = 1000, failAt = -1 } = {}): Counted {
  const seen = { begun: 0, made: 0, ended: 0 }
  async function* make(): AsyncGenerator<Buffer> {
    try {
      for (let page = 0; page < pages; page++) {
        await setImmediate()
        if (page === failAt) throw new Error('no more')
        seen.made++
        yield Buffer.alloc(pageBytes, page)
      }
    } finally {
      seen.ended++
    }
  }
  return {
    seen,
    source: () => {
      seen.begun++
      return { pages: make(), heldBytes: 0 }
    },
  }
}

const ignore = (): void => undefined

async function readAll(reader: Reader): Promise<number[]> {
  const pages: number[] = []
  for (let page = await reader.next(); page !== undefined; page = await reader.next()) pages.push(page[0] as number)
  reader.leave()
  return pages
}

const ALL = Array.from({ length: 20 }, (_, page) => page)

t.test('500 readers of one snapshot share one rendering and get every page', async (t) => {
  const recycled: number[] = []
  const renderings = new Renderings({ recycle: (page) => recycled.push(page[0] as number) })
  const { source, seen } = counted(20)
  const snapshot = {}
  const readers = Array.from({ length: 500 }, () => renderings.open(snapshot, 'text', source, ignore))
  const pages = await Promise.all(readers.map(readAll))
  t.ok(pages.every((of) => of.join() === ALL.join()))
  t.same(seen, { begun: 1, made: 20, ended: 1 })
  t.same(recycled, ALL, 'each page is given back once')
  t.equal(renderings.heldBytes, 0)
})

t.test('other forms and other snapshots are rendered on their own, and so is one whose first page has gone', async (t) => {
  const renderings = new Renderings()
  const { source, seen } = counted(20)
  const snapshot = {}
  const first = renderings.open(snapshot, 'text', source, ignore)
  await first.next()
  const second = renderings.open(snapshot, 'text', source, ignore)
  t.equal(seen.begun, 1)
  renderings.open(snapshot, 'gzip', source, ignore).leave()
  renderings.open({}, 'text', source, ignore).leave()
  t.equal(seen.begun, 3)
  t.equal((await second.next())?.[0], 0)
  await first.next()
  await second.next()
  t.same(await readAll(renderings.open(snapshot, 'text', source, ignore)), ALL)
  t.equal(seen.begun, 4)
  t.same([await readAll(first), await readAll(second)], [ALL.slice(2), ALL.slice(2)])
  t.equal(renderings.heldBytes, 0)
})

t.test('pages are made no faster than the fastest reads, and held until the slowest has passed', async (t) => {
  const recycled: number[] = []
  const renderings = new Renderings({ recycle: (page) => recycled.push(page[0] as number) })
  const { source, seen } = counted(20, { pageBytes: 1e6 })
  const snapshot = {}
  const [fast, slow] = [renderings.open(snapshot, 'text', source, ignore), renderings.open(snapshot, 'text', source, ignore)]
  await slow.next()
  for (let page = 0; page < 5; page++) t.equal((await fast.next())?.[0], page)
  await setImmediate()
  t.equal(seen.made, 5)
  t.same(recycled, [])
  t.ok(renderings.heldBytes >= 5e6)
  await slow.next()
  t.same(recycled, [0])
  slow.leave()
  t.ok(renderings.heldBytes < 2e6)
  t.same(await readAll(fast), ALL.slice(5))
  t.notOk(recycled.includes(1), 'what a reader had in hand when it left is not written again')
  t.same(recycled, [0, 2, 3, ...ALL.slice(4)])
})

t.test('when nobody reads any more the source is dropped', async (t) => {
  const renderings = new Renderings()
  const { source, seen } = counted(20)
  const snapshot = {}
  const readers = Array.from({ length: 3 }, () => renderings.open(snapshot, 'text', source, ignore))
  const pending = readers[0]?.next()
  await readers[1]?.next()
  for (const reader of readers) reader.leave()
  for (const reader of readers) reader.leave()
  await pending
  for (let turn = 0; turn < 5; turn++) await setImmediate()
  t.same(seen, { begun: 1, made: 1, ended: 1 })
  t.equal(renderings.heldBytes, 0)
  t.equal(await readers[0]?.next(), undefined)
})

t.test('an error of the source comes to all its readers, none takes the end for a whole', async (t) => {
  const renderings = new Renderings()
  const { source, seen } = counted(20, { failAt: 3 })
  const snapshot = {}
  const [one, other] = [renderings.open(snapshot, 'text', source, ignore), renderings.open(snapshot, 'text', source, ignore)]
  await t.rejects(readAll(one), { message: 'no more' })
  one.leave()
  await t.rejects(readAll(other), { message: 'no more' })
  other.leave()
  t.equal(seen.begun, 1)
  t.equal(renderings.heldBytes, 0)
})

t.test('beyond the budget who holds pages back is cut off, who reads goes on', async (t) => {
  const renderings = new Renderings({ budgetBytes: 10e6 })
  const { source } = counted(20, { pageBytes: 1e6 })
  const snapshot = {}
  let cut = 0
  const fast = renderings.open(snapshot, 'text', source, ignore)
  const slow = renderings.open(snapshot, 'text', source, () => cut++)
  await slow.next()
  t.same(await readAll(fast), ALL)
  t.equal(cut, 1)
  t.equal(await slow.next(), undefined)
  t.equal(renderings.heldBytes, 0)
})

t.test('stalled readers of many snapshots stay within the budget, the oldest go first', async (t) => {
  const renderings = new Renderings({ budgetBytes: 20e6 })
  const { source } = counted(20, { pageBytes: 1e6 })
  const cut: number[] = []
  for (let index = 0; index < 50; index++) {
    await renderings.open({}, 'text', source, () => cut.push(index)).next()
    t.ok(renderings.heldBytes <= 20e6)
  }
  t.same(
    cut,
    Array.from({ length: cut.length }, (_, index) => index),
  )
  t.ok(cut.length > 30 && cut.length < 40)
  t.same(await readAll(renderings.open({}, 'text', source, ignore)), ALL)
})

t.test('one who stalls is cut off before one who only just came, though both hold the same page', async (t) => {
  const renderings = new Renderings({ budgetBytes: 10e6 })
  const { source } = counted(20, { pageBytes: 1e6 })
  const [shared, cut]: [object, string[]] = [{}, []]
  const open = (of: object, name: string): Reader => renderings.open(of, 'text', source, () => cut.push(name))
  for (const name of ['stalled', 'stalled too']) await open(shared, name).next()
  for (let index = 0; index < 6; index++) await open({}, `other ${index}`).next()
  const newcomer = open(shared, 'newcomer')
  await newcomer.next()
  t.same(cut, [])
  await open({}, 'last').next()
  t.same(cut, ['stalled', 'stalled too', 'other 0'])
  t.same(await readAll(newcomer), ALL.slice(1))
  t.notOk(cut.includes('newcomer'))
})

t.test('a lone reader is not cut off, however large its pages are', async (t) => {
  const renderings = new Renderings({ budgetBytes: 10 })
  const { source } = counted(20)
  t.same(await readAll(renderings.open({}, 'text', source, t.fail)), ALL)
})

t.test('readers that come, read, stall and leave at random get whole pages in order and leave nothing', async (t) => {
  let state = 7
  const random = (below: number): number => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0
    return (state >>> 8) % below
  }
  const inUse = new Map<Buffer, number>()
  const renderings = new Renderings({ budgetBytes: 3e6, recycle: (page) => t.equal(inUse.get(page) ?? 0, 0, 'nobody has it in hand') })
  const { source, seen } = counted(20, { pageBytes: 1e4 })
  const snapshots = Array.from({ length: 5 }, () => ({}))
  const visit = async (): Promise<void> => {
    for (let wait = random(50); wait > 0; wait--) await setImmediate()
    const reader = renderings.open(snapshots[random(5)] as object, random(2) === 0 ? 'text' : 'gzip', source, ignore)
    const stay = 1 + random(30)
    let expected = 0
    for (; expected < stay; expected++) {
      const page = await reader.next()
      if (page === undefined) break
      if (page[0] !== expected) t.fail(`page ${page[0]} in place of ${expected}`)
      inUse.set(page, (inUse.get(page) ?? 0) + 1)
      for (let wait = random(4); wait > 0; wait--) await setImmediate()
      inUse.set(page, (inUse.get(page) ?? 0) - 1)
    }
    reader.leave()
  }
  await Promise.all(Array.from({ length: 400 }, visit))
  for (let turn = 0; turn < 5; turn++) await setImmediate()
  t.equal(renderings.heldBytes, 0)
  t.equal(seen.ended, seen.begun)
})
