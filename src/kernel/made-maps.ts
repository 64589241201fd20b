// Maps of our own making: a text, memory that outlives the process, a copy of another map. Knows the system calls; nothing of what is kept there.
import koffi from 'koffi'
import { check, type Fd, kernelError, libbpf } from './libbpf.ts'

/** include/uapi/linux/bpf.h */
const BPF_MAP_TYPE_HASH = 1
const BPF_MAP_TYPE_ARRAY = 2
const BPF_F_MMAPABLE = 1024
/** struct bpf_map_create_opts of libbpf 1.1 up to map_extra, and where map_flags stand. */
const CREATE_OPTS_BYTES = 48
const MAP_FLAGS_AT = 28
const PROT_READ_WRITE = 3
const MAP_SHARED = 1
const MAP_FAILED = 0xffffffffffffffffn

/** An array of zeroes that can be mapped into memory. The caller closes the descriptor. Throws KernelError. */
export function makeArray(name: string, entryBytes: number, entries: number): Fd {
  const opts = Buffer.alloc(CREATE_OPTS_BYTES)
  opts.writeBigUInt64LE(BigInt(CREATE_OPTS_BYTES), 0)
  opts.writeUInt32LE(BPF_F_MMAPABLE, MAP_FLAGS_AT)
  return check(`make map ${name}`, libbpf().bpf.bpf_map_create(BPF_MAP_TYPE_ARRAY, name, 4, entryBytes, entries, opts)) as Fd
}

/** A hash map. The caller closes the descriptor. Throws KernelError. */
export function makeHash(name: string, keyBytes: number, valueBytes: number, entries: number): Fd {
  return check(`make map ${name}`, libbpf().bpf.bpf_map_create(BPF_MAP_TYPE_HASH, name, keyBytes, valueBytes, entries, null)) as Fd
}

/** The whole of an array as memory. Once mapped it stays mapped: a view of unmapped memory is a crash. Throws KernelError. */
export function mapMemory(name: string, fd: Fd, bytes: number): ArrayBuffer {
  const address = libbpf().libc.mmap(null, bytes, PROT_READ_WRITE, MAP_SHARED, fd, 0) as bigint | null
  const code = -koffi.errno()
  if (address === null || BigInt.asUintN(64, address) === MAP_FAILED) throw kernelError(`map ${name} into memory`, code)
  return koffi.view(address, bytes)
}
