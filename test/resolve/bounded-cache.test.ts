import t from 'tap'
import { BoundedCache } from '../../src/resolve/bounded-cache.ts'

t.test('never holds more than it may', async (t) => {
  const cache = new BoundedCache<number, number>(10)
  let most = 0
  for (let n = 0; n < 1000; n++) {
    cache.set(n, n)
    if (n % 3 === 0) cache.get(n - 4)
    most = Math.max(most, cache.size)
  }
  t.ok(most <= 10, `${most} entries`)
  t.equal(cache.get(999), 999)
  t.equal(cache.get(1), undefined)
})

t.test('what is asked for stays, what is not goes', async (t) => {
  const cache = new BoundedCache<string, number>(8)
  cache.set('asked', 1)
  cache.set('forgotten', 2)
  for (let n = 0; n < 100; n++) {
    cache.set(`other ${n}`, n)
    t.equal(cache.get('asked'), 1)
  }
  t.equal(cache.get('forgotten'), undefined)
})

t.test('a value set again replaces the old one, wherever that was', async (t) => {
  const cache = new BoundedCache<string, number>(4)
  cache.set('a', 1)
  cache.set('b', 2)
  cache.set('a', 3)
  t.equal(cache.get('a'), 3)
  t.equal(cache.size, 2)
})

t.test('what nobody asked for in a while goes, though there is room', async (t) => {
  let now = 0
  const cache = new BoundedCache<string, number>(1000, { idleMs: 100, nowMs: () => now })
  cache.set('asked', 1)
  cache.set('forgotten', 2)
  for (; now < 300; now += 10) {
    cache.set(`other ${now}`, now)
    t.equal(cache.get('asked'), 1)
  }
  t.equal(cache.get('forgotten'), undefined)
  t.ok(cache.size < 25, `${cache.size} entries of 30 that were put in`)
})
