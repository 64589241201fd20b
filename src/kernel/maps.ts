// Reads and writes of BPF maps by file descriptor. Knows sizes; nothing of what keys and values mean.
import { check, errnoName, type Fd, inThread, kernelError, libbpf } from './libbpf.ts'

/** Entries read by one call: under 1 ms of a pool thread, and little enough for the event loop to take in at once. */
const BATCH = 1024
/** The kernel's resume token of a hash map is 4 bytes; room for more costs nothing. */
const TOKEN_BYTES = 16

export interface MapBatch {
  readonly count: number
  /** `count` keys end to end. Overwritten by the next batch. */
  readonly keys: Buffer
  readonly values: Buffer
}

/** Empties hash maps of one shape, batch by batch, through buffers that it keeps. One drain at a time. */
export class MapDrain {
  readonly #keys: Buffer
  readonly #values: Buffer
  readonly #tokens = [Buffer.alloc(TOKEN_BYTES), Buffer.alloc(TOKEN_BYTES)] as const
  readonly #batch: number

  constructor(keySize: number, valueSize: number, batch: number = BATCH) {
    this.#batch = batch
    this.#keys = Buffer.alloc(keySize * batch)
    this.#values = Buffer.alloc(valueSize * batch)
  }

  /** Takes every entry out of the map. Nobody else may write to it meanwhile. */
  async *drain(map: Fd): AsyncGenerator<MapBatch> {
    const [tokenIn, tokenOut] = this.#tokens
    let first = true
    for (;;) {
      const count = [this.#batch]
      const result = await inThread(
        libbpf().bpf.bpf_map_lookup_and_delete_batch,
        map,
        first ? null : tokenIn,
        tokenOut,
        this.#keys,
        this.#values,
        count,
        null,
      )
      const code = result < 0 ? errnoName(result) : ''
      if (code === 'EINTR' || code === 'EAGAIN') continue
      // ENOENT is the end of the map, with a valid count. ENOSPC: a bucket larger than the batch, which hashing makes impossible.
      if (code !== '' && code !== 'ENOENT') throw kernelError('drain a flow map', result)
      if ((count[0] ?? 0) > 0) yield { count: count[0] ?? 0, keys: this.#keys, values: this.#values }
      if (code === 'ENOENT') return
      tokenOut.copy(tokenIn)
      first = false
    }
  }
}

const ZERO = Buffer.alloc(4)

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

export function deleteEntry(map: Fd, key: Buffer): void {
  check('write a map', libbpf().bpf.bpf_map_delete_elem(map, key))
}
