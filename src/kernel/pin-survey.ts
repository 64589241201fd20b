// Looks at a pin directory from outside: what is pinned and who holds it. Changes nothing and takes no lock, not for a moment.
import { readFile, stat, statfs } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { KernelError } from '../errors.ts'
import { type About, readAbout } from './about.ts'
import { libbpf } from './libbpf.ts'
import { BPF_FS_MAGIC, getPin, lookAtPin, ours } from './pins.ts'

export interface PinSurvey {
  readonly exists: boolean
  /** Of a path that does not exist: would it be on one? */
  readonly onBpffs: boolean
  /** Of our pins; others' may be beside them. */
  readonly names: readonly string[]
  /** The process that has the directory's lock, where there is one in this PID namespace. */
  readonly holder: number | undefined
}

export interface Usable {
  /** What is pinned, where something is and this process may use it as orb8 export does. */
  readonly about: About | undefined
  /** Why it may not. */
  readonly refusal: KernelError | undefined
}

/** One that a reader reads and writes. */
const SOME_MAP = 'map_flows'

/** `path` is absolute. Throws the file system's own errors but for what does not exist. */
export async function surveyPins(path: string, locks: string = '/proc/locks'): Promise<PinSurvey> {
  const existing = await nearest(path)
  const onBpffs = (await statfs(existing)).type === BPF_FS_MAGIC
  if (existing !== path || !onBpffs) return { exists: existing === path, onBpffs, names: [], holder: undefined }
  return { exists: true, onBpffs, names: ours(path), holder: await holderOf(path, locks) }
}

/** `path` is of a directory that exists. */
export function usablePins(path: string): Usable {
  try {
    const about = readAbout({ look: (name) => lookAtPin(join(path, name)) })
    const map = getPin(join(path, SOME_MAP))
    if (map !== undefined) libbpf().libc.close(map)
    return { about: map === undefined ? undefined : about, refusal: undefined }
  } catch (error) {
    if (!(error instanceof KernelError)) throw error
    return { about: undefined, refusal: error }
  }
}

/** The path itself, or the first directory above it that exists. */
async function nearest(path: string): Promise<string> {
  try {
    await stat(path)
    return path
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || path === '/') throw error
    return nearest(dirname(path))
  }
}

/** Lines of proc_locks(5): `1: FLOCK  ADVISORY  WRITE 1234 00:1e:5678 0 EOF`, device numbers in hexadecimal. */
async function holderOf(path: string, locks: string): Promise<number | undefined> {
  const { dev, ino } = await stat(path, { bigint: true })
  const hex = (value: bigint): string => value.toString(16).padStart(2, '0')
  const file = `${hex(major(dev))}:${hex(minor(dev))}:${ino}`
  for (const line of (await readFile(locks, 'latin1')).split('\n')) {
    const [, kind, , , pid, of] = line.split(/\s+/)
    if (kind === 'FLOCK' && of === file) return Number(pid)
  }
  return undefined
}

/** As gnu_dev_major and gnu_dev_minor take st_dev apart. */
const major = (dev: bigint): bigint => ((dev >> 8n) & 0xfffn) | ((dev >> 32n) & ~0xfffn)
const minor = (dev: bigint): bigint => (dev & 0xffn) | ((dev >> 12n) & ~0xffn)
