// Calls functions of libnvidia-ml in threads and judges their codes. Knows how NVML answers; nothing of what is asked.
import { type CFunction, inThread } from './libbpf.ts'
import { FUNCTION_NOT_FOUND, nvmlError, SUCCESS, UNINITIALIZED } from './nvml-codes.ts'
import type { NvmlFunction, NvmlLibrary } from './nvml-library.ts'
import { Threads } from './threads.ts'

/** NVML's longest text is 96 bytes with its end. */
const TEXT_BYTES = 96
/** How long a close waits. */
const CLOSE_MS = 500

type Call = readonly [name: NvmlFunction, ...args: unknown[]]

export class NvmlCalls {
  readonly #library: NvmlLibrary
  readonly #threads: Threads
  #closed = false
  #ending: Promise<void> | undefined

  constructor(library: NvmlLibrary, threads: number) {
    this.#library = library
    this.#threads = new Threads(threads)
  }

  get underWay(): number {
    return this.#threads.busy
  }

  /** The code. */
  run(fn: CFunction, ...args: readonly unknown[]): Promise<number> {
    return this.#threads.run(async () => (this.#closed ? UNINITIALIZED : inThread(fn, ...args)))
  }

  /** From now on every call is refused but those of `last`. False where a call hangs: the library is unloaded once that has ended. */
  async close(last: readonly Call[]): Promise<boolean> {
    this.#closed = true
    this.#ending ??= this.#end(last)
    const late = Promise.withResolvers<boolean>()
    const timer = setTimeout(() => late.resolve(false), CLOSE_MS)
    try {
      return await Promise.race([this.#ending.then(() => true), late.promise])
    } finally {
      clearTimeout(timer)
    }
  }

  async #end(last: readonly Call[]): Promise<void> {
    await this.#threads.idle()
    for (const [name, ...args] of last) {
      const fn = this.#library.functions.get(name)
      if (fn !== undefined) await this.#threads.run(() => inThread(fn, ...args))
    }
    this.#library.unload()
  }

  /** The code; of a function that this driver lacks FUNCTION_NOT_FOUND. */
  async call(name: NvmlFunction, ...args: readonly unknown[]): Promise<number> {
    const fn = this.#library.functions.get(name)
    return fn === undefined ? FUNCTION_NOT_FOUND : this.run(fn, ...args)
  }

  /** True for success, false for what the device or the driver does not have. Throws NvmlError for all else. */
  judge(deed: string, code: number): boolean {
    if (code === SUCCESS) return true
    const error = nvmlError(deed, code)
    if (error.failure !== 'unsupported') throw error
    return false
  }

  async told(name: NvmlFunction, ...args: readonly unknown[]): Promise<boolean> {
    return this.judge(name, await this.call(name, ...args))
  }

  async must(deed: string, name: NvmlFunction, ...args: readonly unknown[]): Promise<void> {
    const code = await this.call(name, ...args)
    if (code !== SUCCESS) throw nvmlError(deed, code)
  }

  /** What the function writes to its last parameter. */
  async number(name: NvmlFunction, ...args: readonly unknown[]): Promise<number | undefined> {
    const out = Buffer.alloc(4)
    return (await this.told(name, ...args, out)) ? out.readUInt32LE() : undefined
  }

  async text(name: NvmlFunction, ...args: readonly unknown[]): Promise<string | undefined> {
    const text = Buffer.alloc(TEXT_BYTES)
    if (!(await this.told(name, ...args, text, TEXT_BYTES))) return undefined
    const end = text.indexOf(0)
    return text.toString('utf8', 0, end === -1 ? TEXT_BYTES : end)
  }
}
