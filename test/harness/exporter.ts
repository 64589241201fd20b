// The exporter as a user starts it: the built command, its port from its log, scraped over HTTP, ended by SIGTERM.
import { get, type IncomingMessage } from 'node:http'
import { get as getSecurely } from 'node:https'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { Child, type Ended, until, within } from './child.ts'
import { parseExposition, type Scrape } from './exposition.ts'
import type { Undo } from './undo.ts'

const CLI = join(import.meta.dirname, '..', '..', 'dist', 'cli.js')
/** Longer than the ten seconds that traffic may wait for its container's name. */
const SETTLING_MS = 12_000

export interface ExporterOptions {
  readonly args?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** Runs the exporter: `unshare`, `setpriv` and their like. */
  readonly wrapper?: readonly string[]
  /** In place of the built command. */
  readonly program?: string
  /** How this end asks where there is TLS or a password. */
  readonly visitor?: Visitor
}

export interface Visitor {
  readonly tls?: { readonly ca: string; readonly cert?: string; readonly key?: string }
  readonly headers?: Readonly<Record<string, string>>
}

export interface Answer {
  readonly status: number
  readonly type: string
  readonly body: string
}

/** This process' environment without what settings are read from. */
function environment(added: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !/^(ORB8_|OTEL_|NODE_NAME$|NODE_OPTIONS$|KUBECONFIG$|KUBERNETES_)/.test(name))
  return { ...Object.fromEntries(kept), ...added }
}

function start(undo: Undo, { args = [], env = {}, wrapper = [], program = CLI }: ExporterOptions, word = 'export'): Child {
  const [command = '', ...rest] = [...wrapper, process.execPath, program, word, ...args]
  return new Child(undo, command, rest, environment(env))
}

/** One that is expected to end by itself. */
export async function runToTheEnd(undo: Undo, options: ExporterOptions): Promise<Ended & { stderr: readonly string[] }> {
  const child = start(undo, options)
  return { ...(await child.end()), stderr: child.stderr }
}

/** Another command than export, to its end. */
export async function runCommand(undo: Undo, word: string, options: ExporterOptions): Promise<Ended & { stderr: readonly string[] }> {
  const child = start(undo, options, word)
  return { ...(await child.end()), stderr: child.stderr }
}

/** Any command line, to its end, without settings from this process' environment. */
export async function runProgram(
  undo: Undo,
  words: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Ended & { stderr: readonly string[] }> {
  const [command = '', ...args] = words
  const child = new Child(undo, command, args, environment(env))
  return { ...(await child.end()), stderr: child.stderr }
}

/** One that is told to end so soon after its start. */
export async function endSoon(undo: Undo, delayMs: number): Promise<Ended> {
  const child = start(undo, { args: ['--listen', '127.0.0.1:0'] })
  await new Promise((resolve) => setTimeout(resolve, delayMs))
  child.kill('SIGTERM')
  return child.end()
}

/** One that is killed so long after its start, wherever it is then. */
export async function endAfter(undo: Undo, options: ExporterOptions, delayMs: number): Promise<void> {
  const child = start(undo, options)
  await new Promise((resolve) => setTimeout(resolve, delayMs))
  child.kill('SIGKILL')
  await child.end()
}

export class Exporter {
  readonly #child: Child
  /** Has it been killed? */
  dead = false
  readonly #visitor: Visitor
  readonly port: number

  private constructor(child: Child, port: number, visitor: Visitor) {
    this.#child = child
    this.#visitor = visitor
    this.port = port
  }

  /** Ready to count when this resolves. */
  static async start(undo: Undo, options: ExporterOptions = {}): Promise<Exporter> {
    const child = start(undo, { ...options, args: ['--listen', '127.0.0.1:0', ...(options.args ?? [])] })
    let port = 0
    let over: Ended | undefined
    child.ended.then((ended) => {
      over = ended
    })
    const lastWords = (): string => child.stderr.join('\n')
    await until('the exporter to listen', () => {
      if (over !== undefined) throw new Error(`the exporter ended with ${over.code}: ${lastWords()}`)
      port = portIn(child.stderr)
      return port > 0
    })
    const exporter = new Exporter(child, port, options.visitor ?? {})
    await until('/readyz', async () => {
      if (over !== undefined) throw new Error(`the exporter ended with ${over.code}: ${lastWords()}`)
      return (await exporter.get('/readyz')).status === 200
    })
    return exporter
  }

  get pid(): number {
    return this.#child.pid
  }

  get log(): readonly string[] {
    return this.#child.stderr
  }

  get(path: string, headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
    const answer = new Promise<Answer>((resolve, reject) => {
      const { tls, headers: own } = this.#visitor
      const options = { host: '127.0.0.1', port: this.port, path, headers: { ...own, ...headers }, agent: false }
      const answered = (response: IncomingMessage): void => {
        const parts: Buffer[] = []
        response.on('data', (part: Buffer) => parts.push(part))
        response.on('error', reject)
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            type: response.headers['content-type'] ?? '',
            body: Buffer.concat(parts).toString('utf8'),
          }),
        )
      }
      const request = tls === undefined ? get(options, answered) : getSecurely({ ...options, ...tls }, answered)
      request.on('error', reject)
    })
    return within(answer, `GET ${path}`)
  }

  async scrape(): Promise<Scrape> {
    const { status, body } = await this.get('/metrics')
    if (status !== 200) throw new Error(`/metrics answers ${status}: ${body.slice(0, 200)}`)
    return parseExposition(body)
  }

  /**
   * Scrapes until `read` gives what is wanted, at most so long as traffic may wait for a name, then once more: what came too much
   * shows there. Returns what was last read.
   */
  async settled<T>(wanted: T, read: (scrape: Scrape) => T): Promise<T> {
    const end = performance.now() + SETTLING_MS
    for (;;) {
      const last = read(await this.scrape())
      if (isDeepStrictEqual(last, wanted)) return read(await this.scrape())
      if (performance.now() > end) return last
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }

  /** As the kernel does when memory is short. */
  async die(): Promise<Ended> {
    this.dead = true
    this.#child.kill('SIGKILL')
    return this.#child.end()
  }

  /** Ends it as systemd and Kubernetes do. */
  async stop(signal: 'SIGTERM' | 'SIGINT' = 'SIGTERM'): Promise<Ended> {
    this.#child.kill(signal)
    return this.#child.end()
  }
}

function portIn(lines: readonly string[]): number {
  for (const line of lines) {
    if (!line.startsWith('{')) continue
    const { msg, address } = JSON.parse(line) as { msg?: string; address?: string }
    if (msg === 'listening') return Number(/:(\d+)$/.exec(address ?? '')?.[1] ?? 0)
  }
  return 0
}
