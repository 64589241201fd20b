// A directory on a bpffs that only we use, and what is pinned in it. Knows names and file descriptors; nothing of what they hold.
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmdirSync,
  statfsSync,
  statSync,
  unlinkSync,
} from 'node:fs'
import { join } from 'node:path'
import koffi from 'koffi'
import { ConfigError } from '../errors.ts'
import { check, errnoName, type Fd, kernelError, libbpf } from './libbpf.ts'

const SETTING = 'ORB8_PIN_PATH'
const ALLOWED = 'an absolute path below a bpffs, such as /sys/fs/bpf/orb8; mount -t bpf bpf /sys/fs/bpf makes one'
/** BPF_FS_MAGIC of linux/magic.h. */
export const BPF_FS_MAGIC = 0xcafe4a11
/** flock(2): LOCK_EX | LOCK_NB. Freed by the kernel however the process ends. */
const LOCK_NOW = 2 | 4
/** What is being pinned in place of something else, until it takes its name. */
const COMING = '_coming' // bpffs reserves dots
/** All names that we ever pin: a directory may hold pins of others too. */
const OURS = /^(about|(map|link|program)_\w+|ledger_(header|\d+))$/
const PIN_MODE = 0o660
const DIRECTORY_MODE = 0o750

export interface PinOptions {
  /** Who may use the pins beside their owner: a gid. */
  readonly group?: number | undefined
}

export class PinDirectory implements Disposable {
  readonly path: string
  readonly #lock: number
  readonly #inode: number
  readonly #group: number | undefined

  private constructor(path: string, lock: number, group: number | undefined) {
    this.path = path
    this.#lock = lock
    this.#inode = statSync(path).ino
    this.#group = group
  }

  /** Creates the directory if need be and takes it for this process. Throws ConfigError where another has it or it is on no bpffs. */
  static open(path: string, { group }: PinOptions = {}): PinDirectory {
    try {
      mkdirSync(path, { recursive: true, mode: DIRECTORY_MODE })
      if (statfsSync(path).type !== BPF_FS_MAGIC) throw new ConfigError(SETTING, `"${path}" is on no bpffs`, ALLOWED)
      const lock = openSync(path, 'r')
      takeLock(path, lock)
      if (group !== undefined) chownSync(path, -1, group)
      return new PinDirectory(path, lock, group)
    } catch (error) {
      if (error instanceof ConfigError) throw error
      throw new ConfigError(SETTING, `"${path}" cannot be used: ${(error as NodeJS.ErrnoException).code ?? error}`, ALLOWED)
    }
  }

  /** Is the directory still the one that was opened? It can be deleted, or its file system unmounted. */
  get stands(): boolean {
    try {
      return statSync(this.path).ino === this.#inode && existsSync(join(this.path, 'about'))
    } catch {
      return false
    }
  }

  /** The object pinned under the name, undefined where there is none. The caller closes the descriptor. */
  get(name: string): Fd | undefined {
    const result = libbpf().bpf.bpf_obj_get(join(this.path, name)) as number
    if (result >= 0) return result as Fd
    if (errnoName(result) === 'ENOENT') return undefined
    throw kernelError(`open the pin ${join(this.path, name)}`, result)
  }

  /** Pins under the name, in place of what may be there: a reader sees the one or the other. Throws KernelError. */
  put(name: string, fd: Fd): void {
    const [coming, final] = [join(this.path, `${name}${COMING}`), join(this.path, name)]
    remove(coming)
    check(`pin ${final}`, libbpf().bpf.bpf_obj_pin(fd, coming))
    chmodSync(coming, PIN_MODE)
    if (this.#group !== undefined) chownSync(coming, -1, this.#group)
    renameSync(coming, final)
  }

  /** Does nothing where there is no such pin. */
  rename(from: string, to: string): void {
    try {
      renameSync(join(this.path, from), join(this.path, to))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    }
  }

  remove(name: string): void {
    remove(join(this.path, name))
  }

  names(): readonly string[] {
    return ours(this.path)
  }

  /** Removes every pin of ours and returns their names: links first, so that programs stop before their maps go. */
  clear(): readonly string[] {
    const names = readdirSync(this.path).filter((name) => OURS.test(name.replace(COMING, '')))
    const isLink = (name: string): boolean => name.startsWith('link_')
    for (const name of [...names.filter(isLink), ...names.filter((other) => !isLink(other))]) this.remove(name)
    return names.filter((name) => !name.endsWith(COMING)).sort()
  }

  /** Removes the directory where nobody else's pins are in it. */
  removeDirectory(): void {
    try {
      rmdirSync(this.path)
    } catch (error) {
      // A mount point, which in a container lies in a read-only root, or another's pins.
      if (!['EBUSY', 'EROFS', 'ENOTEMPTY', 'ENOENT', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error
    }
  }

  [Symbol.dispose](): void {
    closeSync(this.#lock)
  }
}

/** Names of our pins in a directory, which need not be ours to look. */
export function ours(path: string): readonly string[] {
  return readdirSync(path)
    .filter((name) => OURS.test(name))
    .sort()
}

function takeLock(path: string, lock: number): void {
  if ((libbpf().libc.flock(lock, LOCK_NOW) as number) === 0) return
  const code = errnoName(-koffi.errno())
  closeSync(lock)
  const problem = code === 'EAGAIN' ? 'is in use by another exporter' : `cannot be locked: ${code}`
  throw new ConfigError(SETTING, `"${path}" ${problem}`, 'one exporter for each directory: end the other, or choose another path')
}

function remove(path: string): void {
  try {
    unlinkSync(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
}
