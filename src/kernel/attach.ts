// Attaches programs and lets them go in reverse; with pins, puts a program in the place of its predecessor. Knows the kinds of hooks;
// nothing of what the programs do.
import { closeSync, openSync } from 'node:fs'
import koffi from 'koffi'
import { KernelError } from '../errors.ts'
import { type BpfLink, type BpfProgram, check, checkPointer, type Fd, libbpf } from './libbpf.ts'
import type { GroupMay, PinDirectory } from './pins.ts'

/** libbpf's bpf_iter_attach_opts {size_t sz; union bpf_iter_link_info *link_info; u32 len} and the union's map_fd. */
const ITER_OPTS_BYTES = 24
const LINK_INFO_BYTES = 16

const PIN = 'link_'

/** A link of which passes are opened, or the file that is one where this process may not have the link. */
export type IteratorSource = Fd | string

interface Held {
  /** Undefined of a link that is pinned and not for this process. */
  readonly fd: Fd | undefined
  readonly close: () => void
}

/**
 * Links in the order in which they were made. Disposing closes them, last first: without pins that detaches the programs, with
 * pins they go on.
 */
export class Links implements Disposable {
  readonly #links = new Map<string, Held>()
  readonly #pins: PinDirectory | undefined

  constructor(pins?: PinDirectory) {
    this.#pins = pins
  }

  /**
   * A hook that the program's own section names, such as a tracepoint. A predecessor goes once this one is there: for a moment
   * both run. Throws KernelError.
   */
  attach(name: string, program: BpfProgram): void {
    this.#keep(name, libbpf().bpf.bpf_program__attach(program), 'nothing')
  }

  /** An iterator that its own section names. */
  attachIterator(name: string, program: BpfProgram): void {
    this.#keep(name, libbpf().bpf.bpf_program__attach(program), 'read')
  }

  /** An iterator over the storage of a map. */
  attachToMap(name: string, program: BpfProgram, map: Fd): void {
    const { bpf } = libbpf()
    const info = Buffer.alloc(LINK_INFO_BYTES)
    info.writeUInt32LE(map)
    const opts = Buffer.alloc(ITER_OPTS_BYTES)
    opts.writeBigUInt64LE(BigInt(ITER_OPTS_BYTES), 0)
    opts.writeBigUInt64LE(koffi.address(info), 8)
    opts.writeUInt32LE(LINK_INFO_BYTES, 16)
    this.#keep(name, bpf.bpf_program__attach_iter(program, opts), 'read')
    info.fill(0) // also keeps it referenced until here
  }

  /**
   * A hook of every socket in the cgroup and below, beside whatever else is attached there. A pinned predecessor is replaced in one
   * step: no packet meets both or neither.
   */
  attachToCgroup(name: string, program: BpfProgram, directory: string): void {
    if (this.replace(name, programFd(program))) return
    const fd = openSync(directory, 'r')
    try {
      this.#keep(name, libbpf().bpf.bpf_program__attach_cgroup(program, fd), 'nothing')
    } finally {
      closeSync(fd)
    }
  }

  /** Puts the program in the place of a pinned predecessor's, in one step. False where there is none. */
  replace(name: string, program: Fd): boolean {
    const { bpf, libc } = libbpf()
    const fd = this.#pins?.get(PIN + name)
    if (fd === undefined) return false
    const result = bpf.bpf_link_update(fd, program, null) as number
    if (result < 0) {
      // ENOLINK: the cgroup is gone, and its programs with it.
      libc.close(fd)
      return false
    }
    this.#hold(name, fd)
    return true
  }

  /** A link that was made elsewhere. */
  keep(name: string, fd: Fd): void {
    this.#hold(name, fd)
    this.#pins?.put(PIN + name, fd, 'nothing')
  }

  /** The link as it was pinned, if it was. Its owner holds it from here on, also where the pin goes. */
  takeOver(name: string): boolean {
    const pinned = this.#pins?.has(PIN + name) === true
    if (pinned) this.#hold(name, this.#pins?.getIfAllowed(PIN + name))
    return pinned
  }

  /** Does this process keep all of them in place, whoever else lets go? */
  get held(): boolean {
    return [...this.#links.values()].every(({ fd }) => fd !== undefined)
  }

  has(name: string): boolean {
    return this.#links.has(name)
  }

  /** Undefined where it is pinned and not for this process, or there is none. */
  fd(name: string): Fd | undefined {
    return this.#links.get(name)?.fd
  }

  /** What `runIterator` takes. Throws KernelError where there is no such link. */
  iterator(name: string): IteratorSource {
    const held = this.#links.get(name)
    if (held === undefined) throw new KernelError(`find link ${name}`, 'ENOENT', '')
    return held.fd ?? (this.#pins as PinDirectory).fileOf(PIN + name)
  }

  /** Also its pin goes. */
  detach(name: string): void {
    this.#pins?.remove(PIN + name)
    this.#links.get(name)?.close()
    this.#links.delete(name)
  }

  [Symbol.dispose](): void {
    for (const { close } of [...this.#links.values()].reverse()) close()
    this.#links.clear()
  }

  #hold(name: string, fd: Fd | undefined): void {
    this.#links.set(name, { fd, close: () => void (fd !== undefined && libbpf().libc.close(fd)) })
  }

  #keep(name: string, made: unknown, groupMay: GroupMay): void {
    const link: BpfLink = checkPointer<'bpf_link'>(`attach ${name}`, made)
    const { bpf } = libbpf()
    const fd = bpf.bpf_link__fd(link) as Fd
    this.#links.set(name, { fd, close: () => bpf.bpf_link__destroy(link) })
    this.#pins?.put(PIN + name, fd, groupMay)
  }
}

export const programFd = (program: BpfProgram): Fd => check('find a program', libbpf().bpf.bpf_program__fd(program)) as Fd
