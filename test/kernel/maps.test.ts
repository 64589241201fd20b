import t from 'tap'
import { type Fd, libbpf } from '../../src/kernel/libbpf.ts'
import { clearMap, deleteEntry, MapDrain, putEntry } from '../../src/kernel/maps.ts'
import { loadObject, SOCKET_OBJECT } from '../../src/kernel/object.ts'

const KEY = 48
const VALUE = 64

function entry(map: Fd, number: number): void {
  const key = Buffer.alloc(KEY)
  key.writeUInt32LE(number)
  const value = Buffer.alloc(VALUE)
  value.writeUInt32LE(number * 3)
  putEntry(map, key, value)
}

async function drainAll(drain: MapDrain, map: Fd): Promise<Map<number, number>> {
  const found = new Map<number, number>()
  for await (const { count, keys, values } of drain.read(map)) {
    for (let i = 0; i < count; i++) {
      const key = keys.readUInt32LE(i * KEY)
      t.notOk(found.has(key), 'an entry came twice')
      found.set(key, values.readUInt32LE(i * VALUE))
    }
  }
  let again = 0
  for await (const { count } of drain.read(map)) again += count
  t.equal(again, found.size, 'reading takes nothing out')
  await drain.empty(map)
  return found
}

t.test('a drain gives every entry once and leaves the map empty', async (t) => {
  using object = loadObject(SOCKET_OBJECT, { entries: { flows_a: 5000 }, values: {} })
  const map = object.fd('flows_a')
  for (const [size, entries] of [
    [1024, 0],
    [1024, 1],
    [1024, 1024],
    [1024, 5000],
    [64, 3000],
    [4096, 4096],
  ] as const) {
    for (let i = 0; i < entries; i++) entry(map, i)
    const drain = new MapDrain(KEY, VALUE, size)
    const found = await drainAll(drain, map)
    t.equal(found.size, entries)
    t.ok([...found].every(([key, value]) => value === key * 3))
    t.equal((await drainAll(drain, map)).size, 0)
  }
})

t.test('a write into a full map says that there is no room', async (t) => {
  using object = loadObject(SOCKET_OBJECT, { entries: { flows_a: 2 }, values: {} })
  const map = object.fd('flows_a')
  entry(map, 1)
  entry(map, 2)
  t.throws(() => entry(map, 3), { name: 'KernelError', code: 'E2BIG' })
})

t.test('entries are removed one by one or all together', async (t) => {
  using object = loadObject(SOCKET_OBJECT, { entries: { flows_a: 100 }, values: {} })
  const map = object.fd('flows_a')
  for (let i = 0; i < 50; i++) entry(map, i)
  const key = Buffer.alloc(KEY)
  key.writeUInt32LE(7)
  deleteEntry(map, key)
  t.throws(() => deleteEntry(map, key), { code: 'ENOENT' })
  clearMap(map, KEY)
  t.ok((libbpf().bpf.bpf_map_get_next_key(map, null, key) as number) < 0, 'nothing is left')
})
