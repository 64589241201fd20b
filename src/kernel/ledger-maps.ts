// Memory that outlives the process: pinned array maps, mapped into this process. Knows pages; nothing of what is written on them.
import koffi from 'koffi'
import { check, errnoName, type Fd, kernelError, libbpf } from './libbpf.ts'
import type { PinDirectory } from './pins.ts'

/** include/uapi/linux/bpf.h */
const BPF_MAP_TYPE_ARRAY = 2
const BPF_F_MMAPABLE = 1024
/** struct bpf_map_create_opts of libbpf 1.1 up to map_extra, and where map_flags stand. */
const CREATE_OPTS_BYTES = 48
const MAP_FLAGS_AT = 28
const PROT_READ_WRITE = 3
const MAP_SHARED = 1
const MAP_FAILED = 0xffffffffffffffffn

const HEADER_BYTES = 4096
const ENTRY_BYTES = 512

export interface LedgerMapsOptions {
  readonly chunkBytes: number
  readonly maxChunks: number
}

/** Header and chunks as ArrayBuffers over kernel memory. Once mapped they stay mapped: a view of unmapped memory is a crash. */
export class LedgerMaps {
  readonly header: ArrayBuffer
  readonly chunkBytes: number
  readonly maxChunks: number
  readonly #pins: PinDirectory
  readonly #chunks: ArrayBuffer[] = []

  /** Takes what is pinned, or makes a header of zeroes. Throws KernelError. */
  constructor(pins: PinDirectory, options: LedgerMapsOptions) {
    this.#pins = pins
    this.chunkBytes = options.chunkBytes
    this.maxChunks = options.maxChunks
    this.header = this.#open('ledger_header', HEADER_BYTES) ?? this.#make('ledger_header', HEADER_BYTES)
    for (;;) {
      const chunk = this.#open(chunkName(this.#chunks.length), this.chunkBytes)
      if (chunk === undefined) return
      this.#chunks.push(chunk)
    }
  }

  chunks(): number {
    return this.#chunks.length
  }

  /** An existing chunk; the first that does not exist yet is made, of zeroes. Throws KernelError where the kernel has no memory. */
  chunk(index: number): ArrayBuffer {
    if (index === this.#chunks.length) this.#chunks.push(this.#make(chunkName(index), this.chunkBytes))
    return this.#chunks[index] as ArrayBuffer
  }

  #open(name: string, bytes: number): ArrayBuffer | undefined {
    const fd = this.#pins.get(name)
    return fd === undefined ? undefined : map(name, fd, bytes)
  }

  #make(name: string, bytes: number): ArrayBuffer {
    const opts = Buffer.alloc(CREATE_OPTS_BYTES)
    opts.writeBigUInt64LE(BigInt(CREATE_OPTS_BYTES), 0)
    opts.writeUInt32LE(BPF_F_MMAPABLE, MAP_FLAGS_AT)
    const fd = libbpf().bpf.bpf_map_create(BPF_MAP_TYPE_ARRAY, 'orb8_ledger', 4, ENTRY_BYTES, bytes / ENTRY_BYTES, opts)
    check(`make ${name}`, fd)
    this.#pins.put(name, fd as Fd)
    return map(name, fd as Fd, bytes)
  }
}

const chunkName = (index: number): string => `ledger_${index}`

function map(name: string, fd: Fd, bytes: number): ArrayBuffer {
  const { libc } = libbpf()
  const address = libc.mmap(null, bytes, PROT_READ_WRITE, MAP_SHARED, fd, 0) as bigint
  const code = -koffi.errno()
  libc.close(fd)
  if (address === null || BigInt.asUintN(64, BigInt(address)) === MAP_FAILED) throw kernelError(`map ${name} (${errnoName(code)})`, code)
  return koffi.view(address, bytes)
}
