// A process of the test's own: started, listened to by lines, ended by its pid. Knows nothing of what it runs.
import { type ChildProcessByStdio, spawn, spawnSync } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import type { Undo } from './undo.ts'

/** What nothing here takes when all is well. */
export const PATIENCE_MS = 30_000

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** Runs to the end; throws with its last words where that was a failure. */
export function run(command: string, ...args: string[]): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, { encoding: 'utf8', timeout: PATIENCE_MS })
  if (error !== undefined) throw error
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${status}: ${stderr.trim()}`)
  return stdout
}

/** The same for what may be refused: true where it worked. */
export function works(command: string, ...args: string[]): boolean {
  return spawnSync(command, args, { stdio: 'ignore', timeout: PATIENCE_MS }).status === 0
}

export class Child {
  readonly ended: Promise<Ended>
  readonly stderr: string[] = []
  readonly #process: ChildProcessByStdio<Writable, Readable, Readable>
  readonly #lines: string[] = []
  readonly #waiting: ((line: string | undefined) => void)[] = []
  #over = false

  constructor(undo: Undo, command: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env) {
    this.#process = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'], env })
    this.#process.stdin.on('error', () => undefined)
    createInterface(this.#process.stderr).on('line', (line) => this.stderr.push(line))
    createInterface(this.#process.stdout).on('line', (line) => {
      const next = this.#waiting.shift()
      if (next === undefined) this.#lines.push(line)
      else next(line)
    })
    this.ended = new Promise((resolve, reject) => {
      this.#process.once('error', reject)
      this.#process.once('close', (code, signal) => {
        this.#over = true
        for (const waiting of this.#waiting.splice(0)) waiting(undefined)
        resolve({ code, signal })
      })
    })
    this.ended.catch(() => undefined)
    undo.add({
      gently: async () => {
        if (!this.#over) this.kill('SIGKILL')
        await this.ended
      },
      atOnce: () => this.kill('SIGKILL'),
    })
  }

  get pid(): number {
    if (this.#process.pid === undefined) throw new Error('it never started')
    return this.#process.pid
  }

  /** The next line of standard output; throws where it has ended or says nothing for too long. */
  async line(): Promise<string> {
    const line = this.#lines.shift() ?? (this.#over ? undefined : await this.#nextLine())
    if (line === undefined) throw new Error(`process ${this.#process.pid} ended: ${this.stderr.join(' ')}`)
    return line
  }

  write(text: string): void {
    this.#process.stdin.write(text)
  }

  closeInput(): void {
    this.#process.stdin.end()
  }

  kill(signal: NodeJS.Signals): void {
    if (!this.#over) this.#process.kill(signal)
  }

  /** Throws where it does not end in time. */
  async end(): Promise<Ended> {
    return within(this.ended, `process ${this.#process.pid} to end`)
  }

  #nextLine(): Promise<string | undefined> {
    return within(new Promise((resolve) => this.#waiting.push(resolve)), `a line of process ${this.#process.pid}`, 2 * PATIENCE_MS)
  }
}

export async function within<T>(what: Promise<T>, name: string, patienceMs = PATIENCE_MS): Promise<T> {
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(() => late.reject(new Error(`waited ${patienceMs} ms for ${name}`)), patienceMs)
  try {
    return await Promise.race([what, late.promise])
  } finally {
    clearTimeout(timer)
  }
}

/** Asks again until it is so. */
export async function until(name: string, isSo: () => Promise<boolean> | boolean, patienceMs = PATIENCE_MS): Promise<void> {
  const end = performance.now() + patienceMs
  while (!(await isSo())) {
    if (performance.now() > end) throw new Error(`waited ${patienceMs} ms for ${name}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
