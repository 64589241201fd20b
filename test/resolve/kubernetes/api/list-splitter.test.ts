import t from 'tap'
import { ListSplitter } from '../../../../src/resolve/kubernetes/api/list-splitter.ts'

function write(splitter: ListSplitter, chunk: Buffer, item: (text: string | undefined) => void): void {
  for (let at = 0; at < chunk.length; at = splitter.next(chunk, at, item));
}

function split(body: Buffer, sizes: () => number, maxItemBytes = 1 << 20): { items: (string | undefined)[]; head: unknown } {
  const splitter = new ListSplitter(maxItemBytes)
  const items: (string | undefined)[] = []
  for (let at = 0; at < body.length; ) {
    const size = sizes()
    write(splitter, body.subarray(at, at + size), (text) => items.push(text))
    at += size
  }
  return { items, head: splitter.end() }
}

const parsed = (items: readonly (string | undefined)[]): unknown[] => items.map((text) => JSON.parse(text ?? 'null') as unknown)
const whole = () => Number.POSITIVE_INFINITY
const one = () => 1

/** The same numbers each time. */
function randomFrom(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

const STRINGS = ['', 'a', '"', '\\', '\\"', '{', '}', '[', ']', ',', '"items":[', 'é', '世界', '🚀', '\u0000\n\t', '\\\\"items":[{}]']

function randomValue(random: (below: number) => number, depth: number): unknown {
  const kind = random(depth > 4 ? 5 : 7)
  if (kind === 0) return null
  if (kind === 1) return random(2) === 0
  if (kind === 2) return random(1_000_000) / 8 - 1000
  if (kind < 5) return Array.from({ length: random(4) }, () => STRINGS[random(STRINGS.length)]).join('')
  if (kind === 5) return Array.from({ length: random(4) }, () => randomValue(random, depth + 1))
  return randomRecord(random, depth)
}

function randomRecord(random: (below: number) => number, depth: number): Record<string, unknown> {
  const keys = Array.from({ length: random(4) }, () => ['items', 'metadata', 'a"b', 'é', 'x\\'][random(5)] ?? '')
  return Object.fromEntries(keys.map((key) => [key, randomValue(random, depth + 1)]))
}

t.test('random lists in random chunks give what JSON.parse gives', (t) => {
  const random = randomFrom(7)
  let elements = 0
  for (let round = 0; round < 2000; round++) {
    const around: Record<string, unknown> = { kind: 'PodList', ...randomRecord(random, 1) }
    delete around.items
    const items = Array.from({ length: random(6) }, () => randomValue(random, 1))
    const entries = Object.entries(around)
    entries.splice(random(entries.length + 1), 0, ['items', items])
    const body = Buffer.from(JSON.stringify(Object.fromEntries(entries), undefined, [0, 1, '\t'][random(3)]))
    const result = split(body, () => 1 + random(round % 2 === 0 ? 5 : 100))
    elements += items.length
    const emptied = Object.fromEntries(entries.map(([key, value]) => [key, key === 'items' ? [] : value]))
    // An assertion each would take most of the time.
    const same = JSON.stringify([parsed(result.items), result.head]) === JSON.stringify([items, emptied])
    if (!same) t.same([parsed(result.items), result.head], [items, emptied], body.toString())
  }
  t.ok(elements > 3000, `${elements} elements were compared`)
  t.end()
})

t.test('metadata may stand before the items or after them', (t) => {
  for (const body of [
    '{"metadata":{"resourceVersion":"7"},"items":[{"a":1},{"b":[2]}]}',
    '{"items" : [ {"a":1} , {"b":[2]} ] , "metadata":{"resourceVersion":"7"}}',
  ]) {
    for (const sizes of [whole, one]) {
      const { items, head } = split(Buffer.from(body), sizes)
      t.same(parsed(items), [{ a: 1 }, { b: [2] }])
      t.match(head, { metadata: { resourceVersion: '7' }, items: [] })
    }
  }
  t.end()
})

t.test('no items, null items, and items elsewhere are none', (t) => {
  t.same(split(Buffer.from('{"items":[]}'), one).items, [])
  t.same(split(Buffer.from('{"items":null}'), one), { items: [], head: { items: null } })
  t.same(split(Buffer.from('{"spec":{"items":[1]},"xitems":[2],"a\\"items":[3]}'), one).items, [])
  t.end()
})

t.test('what was cut off or is no JSON throws at the end', (t) => {
  for (const body of [
    '',
    '{"items":[{"a":1},{"b"',
    '{"items":[{"a":1}',
    '{"items":[]',
    '<html>no</html>',
    '{"items":[]}}',
    '{"items":[}',
  ]) {
    t.throws(() => split(Buffer.from(body), one), SyntaxError, body)
  }
  t.end()
})

t.test('an element that is too large is told and passed over, wherever the chunks end', (t) => {
  const body = Buffer.from(JSON.stringify({ items: [{ a: 1 }, { b: 'x'.repeat(100) }, { c: 2 }] }))
  for (const size of [1, 7, 64, 1000]) {
    const { items, head } = split(body, () => size, 50)
    t.same(items, ['{"a":1}', undefined, '{"c":2}'])
    t.same(head, { items: [] })
  }
  t.end()
})

t.test('what never comes to the items is not kept for ever', (t) => {
  const splitter = new ListSplitter(10)
  t.throws(() => {
    for (let i = 0; i < 100; i++) write(splitter, Buffer.alloc(64 * 1024, 'x'), () => undefined)
    splitter.end()
  }, SyntaxError)
  t.end()
})

t.test('each look ends behind one element, so that there is time for others in between', (t) => {
  const body = Buffer.from('{"items":[{"a":1},{"b":2},{"c":3}],"metadata":{}}')
  const splitter = new ListSplitter(100)
  const counts: number[] = []
  for (let at = 0; at < body.length; ) {
    let count = 0
    at = splitter.next(body, at, () => count++)
    counts.push(count)
  }
  t.same(counts, [1, 1, 1])
  t.end()
})
