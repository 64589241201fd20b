// A directory on a bpffs that only we use, and what is pinned in it. Knows names and file descriptors; nothing of what they hold.
import {
  accessSync,
  chmodSync,
  chownSync,
  closeSync,
  constants,
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
import { ConfigError, KernelError, Orb8Error } from '../errors.ts'
import { check, errnoName, type Fd, libbpf } from './libbpf.ts'
import { missingCapabilities, remedyForPins } from './requirements.ts'

const SETTING = 'ORB8_PIN_PATH'
const GROUP_SETTING = 'ORB8_PIN_GROUP'
const ALLOWED = 'an absolute path below a bpffs, such as /sys/fs/bpf/orb8; mount -t bpf bpf /sys/fs/bpf makes one'
/** BPF_FS_MAGIC of linux/magic.h. */
export const BPF_FS_MAGIC = 0xcafe4a11
const NOT_OURS = "a path for its owner and the pins' group alone: run orb8 load as root with ORB8_PIN_GROUP, and this in that group"
/** flock(2): LOCK_EX | LOCK_NB. Freed by the kernel however the process ends. */
const LOCK_NOW = 2 | 4
/** What is being pinned in place of something else, until it takes its name. */
const COMING = '_coming' // bpffs reserves dots
/** All names that we ever pin: a directory may hold pins of others too. */
const OURS = /^(about|(map|link|program|layout)_\w+|ledger_(header|\d+))$/
const DIRECTORY_MODE = 0o750
/** include/uapi/linux/bpf.h */
const BPF_F_RDONLY = 8
/** struct bpf_obj_get_opts of libbpf 1.1: its own size, and file_flags behind it. */
const GET_OPTS_BYTES = 16

/**
 * What the pins' group may do. `nothing`: programs and what attaches them, for whoever may open a program may attach it, and whoever may
 * write to a link may detach it, without any capability. `read`: iterators, which run when their file is read, and texts.
 */
const MODES = { nothing: 0o600, read: 0o640, write: 0o660 } as const
export type GroupMay = keyof typeof MODES

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

  /** Creates the directory if need be and takes it for this process. Throws KernelError where it could pin nothing, ConfigError where another has it or it is on no bpffs. */
  static open(path: string, { group }: PinOptions = {}): PinDirectory {
    try {
      makeDirectory(path)
      if (statfsSync(path).type !== BPF_FS_MAGIC) throw new ConfigError(SETTING, `"${path}" is on no bpffs`, ALLOWED)
      const lock = openSync(path, 'r')
      takeLock(path, lock)
      const pins = new PinDirectory(path, lock, group)
      if (pins.owner === process.geteuid?.()) pins.#give()
      return pins
    } catch (error) {
      if (error instanceof Orb8Error) throw error
      const code = (error as NodeJS.ErrnoException).code ?? `${error}`
      throw new ConfigError(SETTING, `"${path}" cannot be used: ${code}`, code === 'EACCES' || code === 'EPERM' ? NOT_OURS : ALLOWED)
    }
  }

  /** May this process pin and remove here? Else it may only use what is there. */
  get writable(): boolean {
    try {
      accessSync(this.path, constants.W_OK)
      return true
    } catch {
      return false
    }
  }

  /** Of the directory: who can put his own in the place of any pin. */
  get owner(): number {
    return statSync(this.path).uid
  }

  /** Is the directory still the one that was opened? It can be deleted, or its file system unmounted. */
  get stands(): boolean {
    try {
      return statSync(this.path).ino === this.#inode && existsSync(join(this.path, 'about'))
    } catch {
      return false
    }
  }

  /** The object pinned under the name, undefined where there is none. The caller closes the descriptor. Throws KernelError. */
  get(name: string): Fd | undefined {
    return getPin(join(this.path, name))
  }

  /** The same of a map that is only to be read. */
  look(name: string): Fd | undefined {
    return lookAtPin(join(this.path, name))
  }

  /** The same of what may be the owner's alone: undefined also where this process may not have it. */
  getIfAllowed(name: string): Fd | undefined {
    const result = libbpf().bpf.bpf_obj_get(join(this.path, name)) as number
    return result < 0 && errnoName(result) === 'EACCES' ? undefined : opened(join(this.path, name), result)
  }

  has(name: string): boolean {
    return existsSync(join(this.path, name))
  }

  /** Where an iterator pinned under the name is opened and read as a file. */
  fileOf(name: string): string {
    return join(this.path, name)
  }

  /** Pins under the name, in place of what may be there: a reader sees the one or the other. Throws KernelError. */
  put(name: string, fd: Fd, groupMay: GroupMay = 'nothing'): void {
    const [coming, final] = [join(this.path, `${name}${COMING}`), join(this.path, name)]
    remove(coming)
    check(`pin ${final}`, libbpf().bpf.bpf_obj_pin(fd, coming))
    chmodSync(coming, MODES[groupMay])
    if (this.#group !== undefined) chownSync(coming, -1, this.#group)
    renameSync(coming, final)
  }

  /** To the group, if one is set: the directory, and what is pinned already. Throws ConfigError. */
  #give(): void {
    const group = this.#group
    if (group === undefined) return
    try {
      chmodSync(this.path, statSync(this.path).mode | DIRECTORY_MODE) // whatever the umask left of it
      for (const path of [this.path, ...this.names().map((name) => join(this.path, name))]) {
        if (statSync(path).gid !== group) chownSync(path, -1, group)
      }
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? `${error}`
      const allowed = 'a group that this process is in; any group takes CAP_CHOWN'
      throw new ConfigError(GROUP_SETTING, `the pins in "${this.path}" cannot be given to group ${group}: ${code}`, allowed)
    }
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

/** See PinDirectory.get. */
export function getPin(path: string): Fd | undefined {
  return opened(path, libbpf().bpf.bpf_obj_get(path) as number)
}

/** See PinDirectory.look. */
export function lookAtPin(path: string): Fd | undefined {
  const opts = Buffer.alloc(GET_OPTS_BYTES)
  opts.writeBigUInt64LE(BigInt(GET_OPTS_BYTES), 0)
  opts.writeUInt32LE(BPF_F_RDONLY, 8)
  return opened(path, libbpf().bpf.bpf_obj_get_opts(path, opts) as number)
}

function opened(path: string, result: number): Fd | undefined {
  if (result >= 0) return result as Fd
  const code = errnoName(result)
  if (code === 'ENOENT') return undefined
  throw new KernelError(`open the pin ${path}`, code, code === 'EACCES' ? NOT_OURS : remedyForPins(code))
}

/** Names of our pins in a directory, which need not be ours to look. */
export function ours(path: string): readonly string[] {
  return readdirSync(path)
    .filter((name) => OURS.test(name))
    .sort()
}

function makeDirectory(path: string): void {
  if (existsSync(path)) return
  // A bpffs may let everybody make directories: one that nobody can pin to would only stand in the way.
  const missing = missingCapabilities()
  if (missing.includes('CAP_BPF')) {
    const remedy = `run orb8 load first; to load by itself it needs ${missing.join(', ')}`
    throw new KernelError(`make ${path}`, 'this process could pin nothing there', remedy)
  }
  try {
    mkdirSync(path, { recursive: true, mode: DIRECTORY_MODE })
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? `${error}`
    throw new ConfigError(SETTING, `"${path}" does not exist and cannot be made: ${code}`, ALLOWED)
  }
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
