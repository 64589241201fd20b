// Attaches programs and lets them go in reverse. Knows the kinds of hooks; nothing of what the programs do.
import { closeSync, openSync } from 'node:fs'
import koffi from 'koffi'
import { type BpfLink, type BpfMap, type BpfProgram, check, checkPointer, type Fd, libbpf } from './libbpf.ts'

/** libbpf's bpf_iter_attach_opts {size_t sz; union bpf_iter_link_info *link_info; u32 len} and the union's map_fd. */
const ITER_OPTS_BYTES = 24
const LINK_INFO_BYTES = 16

/** Links in the order in which they were made. Disposing detaches them, last first. */
export class Links implements Disposable {
  readonly #links = new Map<string, BpfLink>()

  /** A hook that the program's own section names: tracepoint or file iterator. Throws KernelError. */
  attach(name: string, program: BpfProgram): void {
    this.#keep(name, libbpf().bpf.bpf_program__attach(program))
  }

  /** An iterator over the storage of a map. */
  attachToMap(name: string, program: BpfProgram, map: BpfMap): void {
    const { bpf } = libbpf()
    const info = Buffer.alloc(LINK_INFO_BYTES)
    info.writeUInt32LE(check(`find the map of ${name}`, bpf.bpf_map__fd(map)))
    const opts = Buffer.alloc(ITER_OPTS_BYTES)
    opts.writeBigUInt64LE(BigInt(ITER_OPTS_BYTES), 0)
    opts.writeBigUInt64LE(koffi.address(info), 8)
    opts.writeUInt32LE(LINK_INFO_BYTES, 16)
    this.#keep(name, bpf.bpf_program__attach_iter(program, opts))
    info.fill(0) // also keeps it referenced until here
  }

  /** A hook of every socket in the cgroup and below, beside whatever else is attached there. */
  attachToCgroup(name: string, program: BpfProgram, directory: string): void {
    const fd = openSync(directory, 'r')
    try {
      this.#keep(name, libbpf().bpf.bpf_program__attach_cgroup(program, fd))
    } finally {
      closeSync(fd)
    }
  }

  #keep(name: string, link: unknown): void {
    this.#links.set(name, checkPointer<'bpf_link'>(`attach ${name}`, link))
  }

  has(name: string): boolean {
    return this.#links.has(name)
  }

  fd(name: string): Fd {
    const link = this.#links.get(name)
    return check(`find link ${name}`, link === undefined ? -2 : libbpf().bpf.bpf_link__fd(link)) as Fd
  }

  detach(name: string): void {
    const link = this.#links.get(name)
    if (link !== undefined) libbpf().bpf.bpf_link__destroy(link)
    this.#links.delete(name)
  }

  [Symbol.dispose](): void {
    for (const name of [...this.#links.keys()].reverse()) this.detach(name)
  }
}
