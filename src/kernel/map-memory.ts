// Kernel memory that maps take, as the kernel tells it. Knows file descriptors and map types; nothing of what is in a map.
import { readFileSync } from 'node:fs'
import { KernelError } from '../errors.ts'
import type { Fd } from './libbpf.ts'

/** include/uapi/linux/bpf.h */
const BPF_MAP_TYPE_HASH = 1
const BPF_F_NO_PREALLOC = 1
/** struct htab_elem before its key, and struct bucket of kernel/bpf/hashtab.c; the same from 5.15 to 6.18. */
const HASH_ELEMENT_BYTES = 48
const HASH_BUCKET_BYTES = 16

/**
 * Bytes of each map, by name; one name may stand for several maps. Reads files of /proc that the kernel writes as they are
 * read: some 15 us a map, on this thread. Throws KernelError where a descriptor is no map's.
 *
 * From 6.4 on the kernel tells what it allocated. Before, it told entries x (key + value), full or not; for a hash map whose
 * entries are made at once this adds what they cost beside that. In neither is the storage of sockets: a map of it has no
 * entries, they hang on the sockets. Whoever knows how many there are adds them.
 */
export function mapMemoryBytes(
  maps: ReadonlyMap<string, readonly Fd[]>,
  fdinfo: string = '/proc/self/fdinfo',
): ReadonlyMap<string, number> {
  return new Map([...maps].map(([name, fds]) => [name, fds.reduce((sum, fd) => sum + memoryOf(name, `${fdinfo}/${fd}`), 0)]))
}

function memoryOf(name: string, path: string): number {
  const text = read(name, path)
  const field = (key: string): number => Number(new RegExp(`^${key}:\\s+(\\w+)$`, 'm').exec(text)?.[1])
  const told = field('memlock')
  if (Number.isNaN(told)) throw new KernelError(`ask what map ${name} takes`, 'EINVAL', '', { detail: `${path} tells no memlock` })
  const wholeHash = field('map_type') === BPF_MAP_TYPE_HASH && (field('map_flags') & BPF_F_NO_PREALLOC) === 0
  // A kernel that tells what it allocated always tells more.
  return wholeHash ? Math.max(told, hashBytes(field('max_entries'), field('key_size'), field('value_size'))) : told
}

function hashBytes(entries: number, key: number, value: number): number {
  const buckets = 2 ** Math.ceil(Math.log2(entries))
  return entries * (HASH_ELEMENT_BYTES + roundUp(key) + roundUp(value)) + buckets * HASH_BUCKET_BYTES
}

const roundUp = (bytes: number): number => Math.ceil(bytes / 8) * 8

function read(name: string, path: string): string {
  try {
    return readFileSync(path, 'latin1')
  } catch (cause) {
    throw new KernelError(`ask what map ${name} takes`, (cause as NodeJS.ErrnoException).code ?? 'EIO', 'mount /proc', { cause })
  }
}
