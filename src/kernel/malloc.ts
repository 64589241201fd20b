// Keeps glibc from hoarding what big buffers leave behind. Knows mallopt; nothing of who allocates.
import koffi from 'koffi'
import { type CFunction, inThread } from './libbpf.ts'

const M_MMAP_THRESHOLD = -3
const M_ARENA_MAX = -8
/** Where glibc itself begins. */
const BYTES = 128 * 1024
/** The main thread's, and one for the pool. */
const ARENAS = 2

/**
 * Buffers from this size on come from the system and go back to it when freed. Left alone, glibc raises the bound to the size of
 * whatever was freed, keeps such buffers in its heap from then on, and the heap never shrinks: 60 MiB after some scrapes of
 * 100,000 lines. False where the C library has no such setting (musl, which does not hoard).
 */
export function returnBigBuffers(): boolean {
  try {
    const mallopt = koffi.load(null).func('int mallopt(int parameter, int value)')
    return mallopt(M_MMAP_THRESHOLD, BYTES) === 1 && mallopt(M_ARENA_MAX, ARENAS) === 1
  } catch {
    return false
  }
}

/**
 * Gives what was freed and lies between what is still used back to the system, which glibc by itself never does: 12 MiB after a list
 * of 10,000 pods. In a thread: it may take some milliseconds. True where there was any, and the C library can. Never rejects.
 */
export async function giveBackFreed(): Promise<boolean> {
  trim ??= findTrim()
  if (trim === 'none') return false
  return (await inThread(trim, 0).catch(() => 0)) === 1
}

/** Looked up once: each time would stay in memory. */
let trim: CFunction | 'none' | undefined

function findTrim(): CFunction | 'none' {
  try {
    return koffi.load(null).func('int malloc_trim(size_t pad)') as CFunction
  } catch {
    return 'none'
  }
}
