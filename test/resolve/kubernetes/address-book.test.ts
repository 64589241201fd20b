import t from 'tap'
import { parseAddress } from '../../../src/address.ts'
import type { Address } from '../../../src/model.ts'
import { AddressBook, type Holder } from '../../../src/resolve/kubernetes/address-book.ts'

const address = (text: string): Address => parseAddress(text) as Address
const X = address('10.1.0.1')

interface Pod extends Holder {
  readonly name: string
}
const pod = (name: string, startedS = 0): Pod => ({ name, startedS, asked: false })

function world(maxContests?: number) {
  const clock = { ms: 0 }
  const handedBack: number[] = []
  const book = new AddressBook<Pod>({
    nowMs: () => clock.ms,
    handedBack: () => handedBack.push(clock.ms),
    ...(maxContests !== undefined && { maxContests }),
  })
  const at = (ms: number): AddressBook<Pod> => {
    clock.ms = ms
    return book
  }
  return { clock, book, at, handedBack }
}

t.test('an address used again within a second goes to each in its time', async (t) => {
  const { at } = world()
  const [a, b] = [pod('a', 1), pod('b', 2)]
  at(0).claim(X, a)
  at(1000).collecting()
  t.equal(at(1000).holder(X), a)
  at(1300).release(X, a)
  at(1900).claim(X, b)
  at(2000).collecting()
  t.equal(at(2000).holder(X), b, 'from 1300 on it was nobody else’s')
  at(3000).collecting()
  t.equal(at(3000).holder(X), b)
  t.equal(at(3000).contests, 0)
})

t.test('news that comes while a collection runs does not take what was counted before', async (t) => {
  const { at } = world()
  const [a, b] = [pod('a', 1), pod('b', 2)]
  at(0).claim(X, a)
  at(1000).collecting()
  at(1010).release(X, a)
  at(1020).claim(X, b)
  t.equal(at(1030).holder(X), a)
  at(2000).collecting()
  t.equal(at(2000).holder(X), b)
})

t.test('an address of nobody any more is forgotten once nothing of its time can be drained', async (t) => {
  const { at, book } = world()
  const a = pod('a')
  at(0).claim(X, a)
  at(1000).collecting()
  at(1500).release(X, a)
  at(2000).collecting()
  t.equal(book.holder(X), a)
  at(3000).collecting()
  t.equal(book.holder(X), undefined)
  t.equal(book.size, 0)
})

t.test('whoever was asked for is reported when an address comes back, others are not', async (t) => {
  const { at, handedBack } = world()
  const [a, b] = [pod('a'), pod('b')]
  at(0).claim(X, a)
  at(0).claim(address('10.1.0.2'), b)
  at(1).holder(X)
  at(5).release(X, a)
  at(6).release(address('10.1.0.2'), b)
  t.strictSame(handedBack, [5])
})

t.test('the generation rises with every change of an answer, and stands while there is none', async (t) => {
  const { at, book } = world()
  const a = pod('a')
  let last = book.generation
  const rises = (what: string): void => {
    t.ok(book.generation > last, what)
    last = book.generation
  }
  at(0).claim(X, a)
  rises('a claim')
  at(1).claim(X, a)
  at(2).collecting()
  at(3).release(address('10.9.9.9'), a)
  t.equal(book.generation, last)
  at(4).release(X, a)
  rises('a release')
  at(5).collecting()
  rises('a collection, as answers depend on its time')
  book.clear()
  rises('all gone')
  t.equal(book.size, 0)
})

t.test('with no room for more addresses between two holders, those who have them now are kept', async (t) => {
  const { at, book } = world(4)
  for (let n = 0; n < 20; n++) {
    const [from, to] = [pod(`from ${n}`, 1), pod(`to ${n}`, 2)]
    const one = address(`10.2.0.${n}`)
    at(n).claim(one, from)
    at(n).release(one, from)
    at(n).claim(one, to)
    t.ok(book.contests <= 4)
    t.equal(book.holder(one)?.name.startsWith('to') || book.holder(one)?.name.startsWith('from'), true)
  }
  at(100).collecting()
  at(200).collecting()
  for (let n = 0; n < 20; n++) t.equal(book.holder(address(`10.2.0.${n}`))?.name, `to ${n}`)
  t.equal(book.contests, 0)
})

/** Who had the address for most of a time, by looking at each millisecond of it: slow and plain. */
function byTheClock(periods: readonly { pod: Pod; from: number; to: number }[], from: number, to: number): Set<Pod> {
  const had = new Map<Pod, number>()
  for (const period of periods) {
    const ms = Math.min(period.to, to) - Math.max(period.from, from)
    if (ms > 0) had.set(period.pod, (had.get(period.pod) ?? 0) + ms)
  }
  const most = Math.max(...had.values())
  return new Set([...had].filter(([, ms]) => ms === most).map(([one]) => one))
}

t.test('1,000 made-up histories: the one who had it longest is the answer, and nobody who never had it', async (t) => {
  let state = 7
  const random = (below: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
  let checked = 0
  for (let history = 0; history < 1000; history++) {
    const { at, book } = world()
    // An address is had by one after the other; the news of an end may come late, after that of the next one's begin.
    const periods: { pod: Pod; from: number; to: number }[] = []
    const news: { ms: number; tell: () => void }[] = []
    let ms = random(50)
    for (let n = 1 + random(4); n > 0; n--) {
      const one = pod(`${periods.length}`, ms)
      const from = ms
      const heardMs = from
      ms += 20 + random(200)
      const to = ms
      const late = random(3) === 0 ? random(100) : 0
      news.push({ ms: heardMs, tell: () => book.claim(X, one) }, { ms: to + late, tell: () => book.release(X, one) })
      const gap = random(2) * random(50)
      periods.push({ pod: one, from, to })
      ms += gap
    }
    const ends = [...news].sort((one, other) => one.ms - other.ms)
    // As far as anybody can know: until the news of an end, or of the next begin.
    const known = periods.map((period, index) => {
      const next = periods[index + 1]?.from ?? Number.POSITIVE_INFINITY
      const heard = news[2 * index + 1]?.ms ?? Number.POSITIVE_INFINITY
      return { ...period, to: Math.min(next, heard) }
    })
    // Before the news of a begin it was the next one's already, where nobody else had it.
    for (const [index, period] of known.entries()) period.from = known[index - 1]?.to ?? Number.NEGATIVE_INFINITY
    let from = 0
    for (let to = 1; to < ms + 200; to += 1 + random(150)) {
      for (let next = ends[0]; next !== undefined && next.ms <= to; next = ends[0]) {
        ends.shift()
        at(next.ms)
        next.tell()
      }
      at(to)
      book.collecting()
      const begun = known.filter((period) => period.pod.startedS <= to)
      const told = begun.map((period, index) =>
        begun[index + 1] === undefined && (news[2 * index + 1]?.ms ?? 0) > to ? { ...period, to: Number.POSITIVE_INFINITY } : period,
      )
      const answers = byTheClock(told, from, to)
      const holder = book.holder(X)
      if (answers.size > 0) {
        checked++
        if (holder === undefined || !answers.has(holder)) {
          t.fail(`history ${history}, ${from} to ${to}: ${holder?.name} and not ${[...answers].map((one) => one.name)}`)
          return
        }
      }
      from = to
    }
  }
  t.ok(checked > 2000, `${checked} answers`)
})
