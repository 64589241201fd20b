import t, { type Test } from 'tap'
import type { Fd } from '../../src/kernel/libbpf.ts'
import { innerId, mapInfo, putEntry } from '../../src/kernel/maps.ts'
import { loadObject, SOCKET_OBJECT } from '../../src/kernel/object.ts'
import { Pair } from '../../src/kernel/pair.ts'

interface Stage {
  readonly pair: Pair
  readonly outer: Fd
  readonly maps: readonly [Fd, Fd]
}

function stage(t: Test, { pending = false } = {}): Stage {
  const object = loadObject(SOCKET_OBJECT, { entries: { flows_a: 100, flows_b: 100 }, values: {} })
  t.teardown(() => object[Symbol.dispose]())
  const maps = [object.fd('flows_a'), object.fd('flows_b')] as const
  const outer = object.fd('flows')
  return { pair: new Pair(outer, maps, pending), outer, maps }
}

function put(map: Fd, number: number): void {
  const { keySize, valueSize } = mapInfo(map)
  const key = Buffer.alloc(keySize)
  key.writeUInt32LE(number)
  putEntry(map, key, Buffer.alloc(valueSize))
}

async function read({ pair, maps }: Stage): Promise<number[]> {
  const { keySize } = mapInfo(maps[0])
  const found: number[] = []
  for await (const { count, keys } of pair.read()) for (let i = 0; i < count; i++) found.push(keys.readUInt32LE(i * keySize))
  return found.sort()
}

/** Which of the two the programs fill. */
const filled = ({ outer, maps }: Stage): Fd | undefined => maps.find((map) => mapInfo(map).id === innerId(outer))

t.test('a map with entries is swapped, read as often as one likes, and emptied', async (t) => {
  const staged = stage(t)
  const [first, second] = staged.maps
  put(first, 1)
  put(first, 2)
  await staged.pair.swap()
  t.ok(staged.pair.pending)
  t.equal(filled(staged), second)
  put(second, 3)
  await staged.pair.swap()
  t.equal(filled(staged), second, 'not before what is pending has been emptied')
  t.same(await read(staged), [1, 2])
  t.same(await read(staged), [1, 2])
  await staged.pair.empty()
  t.notOk(staged.pair.pending)
  t.same(await read(staged), [])
  await staged.pair.swap()
  t.equal(filled(staged), first)
  t.same(await read(staged), [3])
})

t.test('an empty map is not swapped, and what comes later is found', async (t) => {
  const staged = stage(t)
  const [first] = staged.maps
  for (let i = 0; i < 2; i++) {
    await staged.pair.swap()
    t.notOk(staged.pair.pending)
    t.equal(filled(staged), first)
    t.same(await read(staged), [])
  }
  put(first, 7)
  await staged.pair.swap()
  t.same(await read(staged), [7])
})

t.test('what an earlier process left in the idle map is read before anything is swapped', async (t) => {
  const staged = stage(t, { pending: true })
  const [first, second] = staged.maps
  put(first, 1)
  put(second, 2)
  await staged.pair.swap()
  t.equal(filled(staged), first)
  t.same(await read(staged), [2])
  await staged.pair.empty()
  await staged.pair.swap()
  t.same(await read(staged), [1])
})
