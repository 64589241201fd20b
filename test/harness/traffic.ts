// Drives the traffic program: agents that obey line by line, and commands that make much at once. Builds it when its source is newer.
import { mkdirSync, readdirSync, renameSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Cgroup } from './cgroups.ts'
import { Child, run } from './child.ts'
import type { Namespace } from './namespaces.ts'
import type { Undo } from './undo.ts'

const ROOT = join(import.meta.dirname, '..', '..')
const SOURCES = join(ROOT, 'test', 'traffic')
const PROGRAM = join(ROOT, 'dist', 'test', 'traffic')

export interface Place {
  readonly cgroup?: Cgroup
  readonly namespace?: Namespace
}

/** What a verb answers; which of them, its comment in test/traffic says. */
export interface Reply {
  readonly ok: boolean
  readonly error?: string
  readonly port: number
  readonly bytes: number
  readonly ended: boolean
  readonly datagrams: number
  readonly peerPort: number
  readonly calls: number
  readonly received: number
  readonly sent: number
  readonly resent: number
  readonly retransmitted: number
  readonly segmentsIn: number
  readonly segmentsOut: number
  readonly unread: number
  readonly unacked: number
  readonly state: number
  readonly fastOpen: boolean
  /** Smoothed, us. */
  readonly rtt: number
  readonly replies: number
  readonly others: number
  readonly status: number
}

/** What a command that makes much traffic prints at its end. */
export interface Figures {
  readonly connections: number
  readonly read: number
  readonly written: number
  readonly failures: number
  readonly transactions: number
  readonly bytes: number
}

let built = false

export function buildTraffic(): string {
  if (built) return PROGRAM
  const files = readdirSync(SOURCES).map((name) => join(SOURCES, name))
  const newest = Math.max(...files.map((file) => statSync(file).mtimeMs))
  const before = statSync(PROGRAM, { throwIfNoEntry: false })?.mtimeMs ?? 0
  if (before < newest) {
    mkdirSync(join(ROOT, 'dist', 'test'), { recursive: true })
    const fresh = `${PROGRAM}.${process.pid}`
    const sources = files.filter((file) => file.endsWith('.c'))
    run('cc', '-O2', '-Wall', '-Wextra', '-Werror', '-pthread', ...sources, '-o', fresh)
    renameSync(fresh, PROGRAM)
  }
  built = true
  return PROGRAM
}

/** What puts the program there. */
export function placed({ cgroup, namespace }: Place): string[] {
  return [...(cgroup === undefined ? [] : ['--cgroup', cgroup.directory]), ...(namespace === undefined ? [] : ['--netns', namespace.path])]
}

export class Agent {
  readonly #child: Child
  #last: Promise<unknown> = Promise.resolve()

  constructor(undo: Undo, place: Place) {
    this.#child = new Child(undo, buildTraffic(), [...placed(place), 'agent'])
  }

  /** One verb after the other; throws where it fails. */
  async say(words: string): Promise<Reply> {
    const reply = await this.attempt(words)
    if (!reply.ok || reply.error !== undefined) throw new Error(`${words}: ${reply.error}`)
    return reply
  }

  /** The same where failing is the point. */
  attempt(words: string): Promise<Reply> {
    const reply = this.#last.then(async () => {
      this.#child.write(`${words}\n`)
      return JSON.parse(await this.#child.line()) as Reply
    })
    this.#last = reply.catch(() => undefined)
    return reply
  }

  /** Several verbs, the last one's answer. */
  async each(...verbs: string[]): Promise<Reply> {
    const replies = await Promise.all(verbs.map((verb) => this.say(verb)))
    return replies.at(-1) as Reply
  }

  async end(): Promise<void> {
    this.#child.closeInput()
    await this.#child.end()
  }
}

export class Bulk {
  readonly #child: Child

  constructor(undo: Undo, place: Place, command: string, options: Readonly<Record<string, string | number | true>>) {
    const flags = Object.entries(options).flatMap(([name, value]) => (value === true ? [`--${name}`] : [`--${name}`, String(value)]))
    this.#child = new Child(undo, buildTraffic(), [...placed(place), ...flags, command])
  }

  /** Of servers: the ports that they listen on. */
  async ports(): Promise<number[]> {
    return (JSON.parse(await this.#child.line()) as { ports: number[] }).ports
  }

  /** Ends one that waits to be told; the figures that it prints then. */
  async stop(): Promise<Figures> {
    this.#child.closeInput()
    return this.figures()
  }

  /** Of `hold`: one byte on each of its connections; how many took it. */
  async nudge(): Promise<number> {
    this.#child.write('\n')
    return (JSON.parse(await this.#child.line()) as { sent: number }).sent
  }

  async figures(): Promise<Figures> {
    return JSON.parse(await this.#child.line()) as Figures
  }

  /** Ends one that waits to be told, once it is gone. */
  async end(): Promise<void> {
    this.#child.closeInput()
    await this.#child.end()
  }
}
