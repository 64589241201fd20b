// A directory on a bpffs that only we use, and what is pinned in it. Knows names and file descriptors; nothing of what they hold.
import { closeSync, mkdirSync, openSync, readdirSync, renameSync, rmdirSync, statfsSync, unlinkSync } from 'node:fs'
import { join } from 'node:path'
import koffi from 'koffi'
import { ConfigError, KernelError } from '../errors.ts'
import { check, errnoName, type Fd, kernelError, libbpf } from './libbpf.ts'

const SETTING = 'ORB8_PIN_PATH'
/** BPF_FS_MAGIC of linux/magic.h. */
const BPF_FS_MAGIC = 0xcafe4a11
/** flock(2): LOCK_EX | LOCK_NB. Freed by the kernel however the process ends. */
const LOCK_NOW = 2 | 4
/** What is being pinned in place of something else, until it takes its name. */
const COMING = '_coming' // bpffs reserves dots

export class PinDirectory implements Disposable {
  readonly path: string
  readonly #lock: number

  private constructor(path: string, lock: number) {
    this.path = path
    this.#lock = lock
  }

  /** Creates the directory if need be and takes it for this process. Throws ConfigError where another has it or it is on no bpffs. */
  static open(path: string): PinDirectory {
    try {
      mkdirSync(path, { recursive: true, mode: 0o750 })
    } catch (error) {
      throw new ConfigError(SETTING, `"${path}" cannot be created: ${(error as NodeJS.ErrnoException).code}`, 'a directory on a bpffs')
    }
    if (statfsSync(path).type !== BPF_FS_MAGIC) {
      throw new ConfigError(SETTING, `"${path}" is on no bpffs`, 'a directory below one: mount -t bpf bpf /sys/fs/bpf')
    }
    const lock = openSync(path, 'r')
    const result = libbpf().libc.flock(lock, LOCK_NOW) as number
    if (result === 0) return new PinDirectory(path, lock)
    const code = errnoName(-koffi.errno())
    closeSync(lock)
    if (code === 'EAGAIN') throw new ConfigError(SETTING, `"${path}" is in use by another exporter`, 'one exporter for each directory')
    throw new KernelError(`lock ${path}`, code, '')
  }

  /** The object pinned under the name, undefined where there is none. The caller closes the descriptor. */
  get(name: string): Fd | undefined {
    const result = libbpf().bpf.bpf_obj_get(join(this.path, name)) as number
    if (result >= 0) return result as Fd
    if (errnoName(result) === 'ENOENT') return undefined
    throw kernelError(`open pin ${name}`, result)
  }

  /** Pins under the name, in place of what may be there: a reader sees the one or the other. */
  put(name: string, fd: Fd): void {
    const coming = `${name}${COMING}`
    this.remove(coming)
    check(`pin ${name}`, libbpf().bpf.bpf_obj_pin(fd, join(this.path, coming)))
    renameSync(join(this.path, coming), join(this.path, name))
  }

  remove(name: string): void {
    try {
      unlinkSync(join(this.path, name))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    }
  }

  names(): readonly string[] {
    return readdirSync(this.path)
      .filter((name) => !name.endsWith(COMING))
      .sort()
  }

  /** Removes every pin: links first, so that programs stop before their maps go. The directory stays ours. */
  clear(isLink: (name: string) => boolean): readonly string[] {
    const names = readdirSync(this.path)
    for (const name of [...names.filter(isLink), ...names.filter((other) => !isLink(other))]) this.remove(name)
    return names
  }

  removeDirectory(): void {
    rmdirSync(this.path)
  }

  [Symbol.dispose](): void {
    closeSync(this.#lock)
  }
}
