import { join } from 'node:path'
import t from 'tap'
import type { Fd } from '../../src/kernel/libbpf.ts'
import { mapMemoryBytes } from '../../src/kernel/map-memory.ts'
import { clearMap, putEntry } from '../../src/kernel/maps.ts'
import { loadObject, SOCKET_OBJECT } from '../../src/kernel/object.ts'

const KEY = 48
const VALUE = 64

interface Shape {
  readonly type: number
  readonly key: number
  readonly value: number
  readonly entries: number
  readonly flags: string
  readonly memlock: number
}

const fdinfo = ({ type, key, value, entries, flags, memlock }: Shape): string =>
  `pos:\t0\nmap_type:\t${type}\nkey_size:\t${key}\nvalue_size:\t${value}\nmax_entries:\t${entries}\nmap_flags:\t${flags}\nmemlock:\t${memlock}\nmap_id:\t7\n`

t.test('a flow map costs its entries with what the kernel keeps beside each, used or not', async (t) => {
  using object = loadObject(SOCKET_OBJECT, { entries: { flows_a: 1000, flows_b: 2000 }, values: {} })
  const maps = new Map([
    ['a', [object.fd('flows_a')]],
    ['both', [object.fd('flows_a'), object.fd('flows_b')]],
  ])
  const empty = mapMemoryBytes(maps)
  // 160 B an entry, 16 a bucket of 1024; the map itself and spare entries of each CPU are little.
  const least = 1000 * 160 + 1024 * 16
  t.ok((empty.get('a') ?? 0) >= least && (empty.get('a') ?? 0) < 1.3 * least, String(empty.get('a')))
  t.equal(empty.get('both'), (empty.get('a') ?? 0) + (mapMemoryBytes(new Map([['b', [object.fd('flows_b')]]])).get('b') ?? 0))
  for (let i = 0; i < 500; i++) putEntry(object.fd('flows_a'), Buffer.alloc(KEY, String(i)), Buffer.alloc(VALUE))
  t.strictSame(mapMemoryBytes(maps), empty)
  clearMap(object.fd('flows_a'), KEY)
})

t.test('before 6.4 the kernel tells entries x (key + value): for a whole hash map the rest is added', async (t) => {
  const hash = { type: 1, key: 48, value: 64, entries: 65536, flags: '0x0' }
  const dir = t.testdir({
    '3': fdinfo({ ...hash, memlock: 7_340_032 }), // as 6.1 tells it
    '4': fdinfo({ ...hash, memlock: 11_535_568 }), // as 6.18 tells it
    '5': fdinfo({ ...hash, flags: '0x1', memlock: 4096 }),
    '6': fdinfo({ type: 2, key: 4, value: 512, entries: 8, flags: '0x400', memlock: 4416 }),
    '7': fdinfo({ type: 24, key: 4, value: 88, entries: 0, flags: '0x1', memlock: 0 }),
  })
  const bytes = (fd: number): number | undefined => mapMemoryBytes(new Map([['m', [fd as Fd]]]), dir).get('m')
  t.strictSame([3, 4, 5, 6, 7].map(bytes), [65536 * (160 + 16), 11_535_568, 4096, 4416, 0])
})

t.test('a descriptor that is no map is an error that names it', async (t) => {
  const dir = t.testdir({ '3': 'pos:\t0\nflags:\t02\n' })
  const ask = (fd: number) => mapMemoryBytes(new Map([['odd', [fd as Fd]]]), dir)
  t.throws(() => ask(3), { name: 'KernelError', code: 'EINVAL', deed: /odd/, reason: new RegExp(join(dir, '3')) })
  t.throws(() => ask(4), { name: 'KernelError', code: 'ENOENT', deed: /odd/ })
})
