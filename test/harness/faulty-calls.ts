// Makes the kernel calls of another process fail, for a while, by their kind, or ends it at one. Knows bpf(2)'s commands; nothing of
// who makes them.
import { closeSync, mkdirSync, mkdtempSync, openSync, readSync, renameSync, rmSync, statSync, writeSync } from 'node:fs'
import { constants, tmpdir } from 'node:os'
import { join } from 'node:path'
import { run } from './child.ts'
import type { Undo } from './undo.ts'

const SOURCE = join(import.meta.dirname, 'faulty-calls.c')
const LIBRARY = join(import.meta.dirname, '..', '..', 'dist', 'test', 'faulty-calls.so')

/** Of enum bpf_cmd in include/uapi/linux/bpf.h; `read` is of an iterator, `any` whatever changes the kernel's or the pins' state. */
export const CALLS = {
  mapCreate: 0,
  lookup: 1,
  update: 2,
  delete: 3,
  nextKey: 4,
  pin: 6,
  lookupBatch: 24,
  lookupAndDeleteBatch: 25,
  iterCreate: 33,
  read: 1000,
  any: 1001,
} as const
const END = 1000

const NOTHING = 0xffffffff
/** Words of struct orders in faulty-calls.c. */
const WORDS = 6
const SEEN = 4
const FAILED = 5

export interface Fault {
  readonly call: keyof typeof CALLS
  readonly error: keyof typeof constants.errno
  /** The nth of them fails, and each nth after it. */
  readonly every?: number
  /** Not more often. */
  readonly times?: number
}

export class FaultyCalls {
  readonly #file: number
  /** For the process whose calls are to fail. */
  readonly env: Readonly<Record<string, string>>

  constructor(undo: Undo) {
    const folder = mkdtempSync(join(tmpdir(), 'orb8-test-faults-'))
    const path = join(folder, 'orders')
    this.#file = openSync(path, 'w+')
    const end = (): void => {
      closeSync(this.#file)
      rmSync(folder, { recursive: true })
    }
    undo.add({ gently: end, atOnce: end })
    this.#write([NOTHING, 0, 1, 0, 0, 0])
    this.env = { LD_PRELOAD: buildLibrary(), FAULTY_CALLS: path }
  }

  fail({ call, error, every = 1, times = NOTHING }: Fault): void {
    this.#order(CALLS[call], constants.errno[error], every, times)
  }

  /** Ends the process by SIGKILL instead of its nth call that changes anything. */
  endAt(nth: number): void {
    this.#order(CALLS.any, END, nth, 1)
  }

  /** Only counts the calls that change anything. */
  watch(): void {
    this.#order(CALLS.any, 0, 1, 0)
  }

  /** From here on all is well. */
  stop(): void {
    this.#write([NOTHING])
  }

  /** Calls of the kind since it was named. */
  get seen(): number {
    return this.#word(SEEN)
  }

  /** Those of them that failed. */
  get failed(): number {
    return this.#word(FAILED)
  }

  #order(call: number, error: number, every: number, times: number): void {
    this.stop()
    this.#write([NOTHING, error, every, times, 0, 0])
    this.#write([call])
  }

  #word(index: number): number {
    const words = Buffer.alloc(WORDS * 4)
    readSync(this.#file, words, 0, words.length, 0)
    return words.readUInt32LE(index * 4)
  }

  #write(words: readonly number[]): void {
    writeSync(this.#file, Buffer.from(Uint32Array.from(words).buffer), 0, words.length * 4, 0)
  }
}

function buildLibrary(): string {
  const before = statSync(LIBRARY, { throwIfNoEntry: false })?.mtimeMs ?? 0
  if (before < statSync(SOURCE).mtimeMs) {
    mkdirSync(join(LIBRARY, '..'), { recursive: true })
    const fresh = `${LIBRARY}.${process.pid}`
    run('cc', '-O2', '-Wall', '-Wextra', '-Werror', '-shared', '-fPIC', SOURCE, '-o', fresh)
    renameSync(fresh, LIBRARY)
  }
  return LIBRARY
}
