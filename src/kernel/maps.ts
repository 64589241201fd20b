// Reads and writes of BPF maps by file descriptor. Knows sizes; nothing of what keys and values mean.
import { check, errnoName, type Fd, inThread, kernelError, libbpf } from './libbpf.ts'

/** Entries read by one call: under 1 ms of a pool thread, and little enough for the event loop to take in at once. */
const BATCH = 1024
/** As far as a batch grows where a bucket of the map is larger: 7 MiB of flows. Hashing makes it all but impossible. */
const MOST = 65_536
/** Calls in a row that the kernel breaks off. */
const TRIES = 100
/** The kernel's resume token of a hash map is 4 bytes; room for more costs nothing. */
const TOKEN_BYTES = 16

export interface MapBatch {
  readonly count: number
  /** `count` keys end to end. Overwritten by the next batch. */
  readonly keys: Buffer
  readonly values: Buffer
}

/** Reads and empties hash maps of one shape, batch by batch, through buffers that it keeps. One pass at a time. */
export class MapDrain {
  readonly #room: Room
  readonly #tokens = [Buffer.alloc(TOKEN_BYTES), Buffer.alloc(TOKEN_BYTES)] as const

  constructor(keySize: number, valueSize: number, batch: number = BATCH) {
    this.#room = new Room(keySize, valueSize, batch)
  }

  /** Every entry of the map, which nobody else may write to meanwhile. */
  read(map: Fd): AsyncGenerator<MapBatch> {
    return this.#pass('read a flow map', libbpf().bpf.bpf_map_lookup_batch, map)
  }

  /** Takes every entry out of the map. Nobody else may write to it meanwhile. */
  async empty(map: Fd): Promise<void> {
    for await (const _ of this.#pass('empty a flow map', libbpf().bpf.bpf_map_lookup_and_delete_batch, map));
  }

  async *#pass(deed: string, call: Parameters<typeof inThread>[0], map: Fd): AsyncGenerator<MapBatch> {
    const [tokenIn, tokenOut] = this.#tokens
    let room = this.#room
    let first = true
    for (let tries = 0; ; ) {
      const count = [room.entries]
      const result = await inThread(call, map, first ? null : tokenIn, tokenOut, room.keys, room.values, count, null)
      const code = result < 0 ? errnoName(result) : ''
      if ((code === 'EINTR' || code === 'EAGAIN') && ++tries <= TRIES) continue
      if (code === 'ENOSPC' && room.entries < MOST) {
        room = room.doubled()
        continue
      }
      // ENOENT is the end of the map, with a valid count.
      if (code !== '' && code !== 'ENOENT') throw kernelError(deed, result)
      if ((count[0] ?? 0) > 0) yield { count: count[0] ?? 0, keys: room.keys, values: room.values }
      if (code === 'ENOENT') return
      tokenOut.copy(tokenIn)
      first = false
      tries = 0
    }
  }
}

/** Buffers for a batch. */
class Room {
  readonly keys: Buffer
  readonly values: Buffer
  readonly entries: number
  readonly #keySize: number
  readonly #valueSize: number

  constructor(keySize: number, valueSize: number, entries: number) {
    this.#keySize = keySize
    this.#valueSize = valueSize
    this.entries = entries
    this.keys = Buffer.alloc(keySize * entries)
    this.values = Buffer.alloc(valueSize * entries)
  }

  doubled(): Room {
    return new Room(this.#keySize, this.#valueSize, this.entries * 2)
  }
}

const ZERO = Buffer.alloc(4)

/** What the kernel says of a map: struct bpf_map_info of include/uapi/linux/bpf.h. */
export interface MapInfo {
  readonly id: number
  /** Up to 15 letters. */
  readonly name: string
  readonly keySize: number
  readonly valueSize: number
  readonly maxEntries: number
}

const INFO_BYTES = 88
const NAME_AT = 24

export function mapInfo(map: Fd): MapInfo {
  const info = Buffer.alloc(INFO_BYTES)
  check('ask for a map', libbpf().bpf.bpf_obj_get_info_by_fd(map, info, [INFO_BYTES]))
  const word = (at: number): number => info.readUInt32LE(at)
  const name = info.toString('latin1', NAME_AT, info.indexOf(0, NAME_AT))
  return { id: word(4), name, keySize: word(8), valueSize: word(12), maxEntries: word(16) }
}

/** The kernel's number of a program: struct bpf_prog_info of include/uapi/linux/bpf.h up to id. */
export function programId(program: Fd): number {
  const info = Buffer.alloc(8)
  check('ask for a program', libbpf().bpf.bpf_obj_get_info_by_fd(program, info, [info.length]))
  return info.readUInt32LE(4)
}

/** Has the kernel let the program go? Undefined where this process may not ask. */
export function isGone(program: number): boolean | undefined {
  const fd = libbpf().bpf.bpf_prog_get_fd_by_id(program) as number
  if (fd < 0) return errnoName(fd) === 'ENOENT' ? true : undefined
  libbpf().libc.close(fd)
  return false
}

/** The kernel's number of the map in slot 0 of an array of maps. */
export function innerId(outer: Fd): number {
  const id = Buffer.alloc(4)
  check('ask for a flow map', libbpf().bpf.bpf_map_lookup_elem(outer, ZERO, id))
  return id.readUInt32LE()
}

/** Has the map no entry? False also where the kernel does not say. */
export function isEmpty(map: Fd): boolean {
  return isEnd(libbpf().bpf.bpf_map_get_next_key(map, null, Buffer.alloc(mapInfo(map).keySize)) as number)
}

/** The same for maps of the datapath: the kernel looks through all buckets of one that is empty. */
export async function isEmptyInThread(map: Fd, keySize: number): Promise<boolean> {
  return isEnd(await inThread(libbpf().bpf.bpf_map_get_next_key, map, null, Buffer.alloc(keySize)))
}

const isEnd = (result: number): boolean => result < 0 && errnoName(result) === 'ENOENT'

/** All keys of a small map. */
export function keysOf(map: Fd, keySize: number): Buffer[] {
  const keys: Buffer[] = []
  const { bpf } = libbpf()
  for (let at: Buffer | null = null; ; ) {
    const next = Buffer.alloc(keySize)
    if ((bpf.bpf_map_get_next_key(map, at, next) as number) !== 0) return keys
    keys.push(next)
    at = next
  }
}

/** Reads the only value of an array map. */
export function readValue(map: Fd, into: Buffer): Buffer {
  check('read a map', libbpf().bpf.bpf_map_lookup_elem(map, ZERO, into))
  return into
}

export function writeValue(map: Fd, value: Buffer): void {
  check('write a map', libbpf().bpf.bpf_map_update_elem(map, ZERO, value, 0))
}

/** Puts a map into slot 0 of an array of maps, and waits until no program still uses the one that was there (synchronize_rcu). */
export async function replaceInner(outer: Fd, inner: Fd): Promise<void> {
  const value = Buffer.alloc(4)
  value.writeUInt32LE(inner)
  check('swap a flow map', await inThread(libbpf().bpf.bpf_map_update_elem, outer, ZERO, value, 0))
}

export function putEntry(map: Fd, key: Buffer, value: Buffer): void {
  check('write a map', libbpf().bpf.bpf_map_update_elem(map, key, value, 0))
}

/** Removes every entry of a small map. */
export function clearMap(map: Fd, keySize: number): void {
  const key = Buffer.alloc(keySize)
  const { bpf } = libbpf()
  while ((bpf.bpf_map_get_next_key(map, null, key) as number) === 0) check('empty a map', bpf.bpf_map_delete_elem(map, key))
}

export function getEntry(map: Fd, key: Buffer, valueSize: number): Buffer {
  const value = Buffer.alloc(valueSize)
  check('read a map', libbpf().bpf.bpf_map_lookup_elem(map, key, value))
  return value
}

export function deleteEntry(map: Fd, key: Buffer): void {
  check('write a map', libbpf().bpf.bpf_map_delete_elem(map, key))
}
