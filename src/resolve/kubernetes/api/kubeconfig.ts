// A cluster by kubeconfig files, with all that client-node's KubeConfig knows of them: plugins, certificates, tokens, passwords.
// Knows nothing of HTTP. Import it late: client-node takes some 80 MiB of memory as it is installed, a third of it bundled.
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import { readFileSync, statSync } from 'node:fs'
import type { RequestOptions } from 'node:https'
import { dirname, isAbsolute, join } from 'node:path'
// The whole package costs twice the time to load; its version is pinned in package.json.
import { KubeConfig } from '@kubernetes/client-node/dist/config.js'
import { ExecAuth } from '@kubernetes/client-node/dist/exec_auth.js'
import { parse } from 'yaml'
import { ConfigError, Orb8Error } from '../../../errors.ts'
import type { Access, Cluster } from './access.ts'

/** A credential plugin may ask a cloud; nobody waits longer for one. */
const CREDENTIALS_MS = 30_000
/** A little later it is ended. */
const GRACE_MS = 1000
/** The same bound as for settings files. */
const MAX_FILE_BYTES = 1 << 20

type User = KubeConfig['users'][number]

const NOBODY: User = { name: '' }

/** Throws ConfigError where the files give no cluster and no user. */
export function openKubeconfig(files: readonly string[], credentialsMs = CREDENTIALS_MS): Cluster {
  return new KubeconfigCluster(files, credentialsMs)
}

class KubeconfigCluster implements Cluster {
  readonly inCluster = false
  readonly #files: readonly string[]
  readonly #credentialsMs: number
  #loaded: KubeConfig
  #stamp: string
  #asking: Promise<Access> | undefined

  constructor(files: readonly string[], credentialsMs: number) {
    this.#files = files
    this.#credentialsMs = credentialsMs
    this.#stamp = stampOf(files)
    this.#loaded = this.#load()
  }

  /** One asking at a time: a plugin that hangs is never started twice. */
  access(): Promise<Access> {
    this.#asking ??= this.#ask().finally(() => {
      this.#asking = undefined
    })
    return within(this.#asking, this.#credentialsMs)
  }

  renew(): void {
    this.#stamp = ''
  }

  #load(): KubeConfig {
    const config = load(this.#files)
    endPlugins(config, this.#credentialsMs + GRACE_MS)
    return config
  }

  async #ask(): Promise<Access> {
    const stamp = stampOf(this.#files)
    if (stamp !== this.#stamp) {
      this.#loaded = this.#load()
      this.#stamp = stamp
    }
    const cluster = this.#loaded.getCurrentCluster()
    if (cluster === null) throw wrong(this.#files, 'there is no cluster in its current context')
    const options: RequestOptions = {}
    try {
      await this.#loaded.applyToHTTPSOptions(options)
    } catch (cause) {
      throw new Orb8Error('get credentials', reasonOf(cause), `see the user of the current context in ${this.#files.join(', ')}`)
    }
    return accessOf(cluster.server, cluster.proxyUrl, options)
  }
}

function accessOf(server: string, proxy: string | undefined, options: RequestOptions): Access {
  const { ca, cert, key, rejectUnauthorized, servername } = options
  const headers = Object.fromEntries(
    Object.entries(options.headers ?? {}).map(([name, value]) => [name.toLowerCase(), String(value).trim()]),
  )
  if (typeof options.auth === 'string') headers.authorization = `Basic ${Buffer.from(options.auth).toString('base64')}`
  return {
    server: server.replace(/\/+$/, ''),
    headers,
    tls: {
      ...(ca && { ca: String(ca) }),
      ...(cert && { cert: String(cert) }),
      ...(key && { key: String(key) }),
      ...(rejectUnauthorized !== undefined && { rejectUnauthorized }),
      ...(servername !== undefined && { servername }),
    },
    ...(proxy && { proxy }),
  }
}

/** client-node waits for a plugin for ever, and gives no other way to change that than its private fields. */
function endPlugins(config: KubeConfig, afterMs: number): void {
  const authenticators: readonly unknown[] = Reflect.get(config, 'authenticators')
  const start = (command: string, args: readonly string[] | undefined, options: SpawnOptions): ChildProcess => {
    const plugin = spawn(command, args ?? [], options)
    const timer = setTimeout(() => plugin.kill('SIGKILL'), afterMs).unref()
    return plugin.once('close', () => clearTimeout(timer))
  }
  for (const authenticator of authenticators) if (authenticator instanceof ExecAuth) Reflect.set(authenticator, 'execFn', start)
}

/** As kubectl merges: the first file that has a name wins, files that are not there are passed over. */
function load(files: readonly string[]): KubeConfig {
  const merged = new KubeConfig()
  const there = files.filter((path) => statSync(path, { throwIfNoEntry: false }) !== undefined)
  if (there.length === 0) throw wrong(files, 'there is no such file')
  for (const path of there) {
    const one = loadOne(path)
    merged.clusters = withoutKnown(merged.clusters, one.clusters)
    merged.users = withoutKnown(merged.users, one.users)
    merged.contexts = withoutKnown(merged.contexts, one.contexts)
    merged.currentContext ||= one.currentContext
  }
  const cluster = merged.getCurrentCluster()
  if (!merged.currentContext) throw wrong(there, 'there is no current-context')
  if (cluster === null) throw wrong(there, `its current context "${merged.currentContext}" has no cluster`)
  if (!/^https?:\/\/\S+$/.test(cluster.server)) throw wrong(there, `the server of cluster "${cluster.name}" is no URL`)
  if (cluster.proxyUrl?.startsWith('socks')) throw wrong(there, 'a SOCKS proxy is not supported')
  // client-node refuses plain HTTP without it, as nothing is verified then either.
  if (cluster.server.startsWith('http:')) merged.clusters = merged.clusters.map((each) => ({ ...each, skipTLSVerify: true }))
  // Without a user client-node overlooks the cluster's CA too.
  merged.contexts = merged.contexts.map((context) => ({ ...context, user: context.user ?? NOBODY.name }))
  merged.users = [...merged.users, NOBODY]
  if (merged.getCurrentUser() === null) throw wrong(there, `its current context "${merged.currentContext}" names a user that is not there`)
  return merged
}

function withoutKnown<T extends { readonly name: string }>(known: readonly T[], more: readonly T[]): T[] {
  return [...known, ...more.filter(({ name }) => !known.some((each) => each.name === name))]
}

function loadOne(path: string): KubeConfig {
  const config = new KubeConfig()
  let text = ''
  try {
    if (statSync(path).size > MAX_FILE_BYTES) throw Object.assign(new Error(), { code: 'EFBIG' })
    text = readFileSync(path, 'utf8')
  } catch (cause) {
    throw wrong([path], `it cannot be read: ${(cause as NodeJS.ErrnoException).code}`)
  }
  try {
    config.loadFromString(text)
  } catch (cause) {
    throw wrong([path], reasonOf(cause))
  }
  config.makePathsAbsolute(dirname(path))
  config.users = config.users.map((user) => mended(user, text, dirname(path)))
  return config
}

/** What client-node overlooks: `tokenFile`, and that a plugin's path is relative to its file. */
function mended(user: User, text: string, folder: string): User {
  const entries = (parse(text) as { users?: { name?: string; user?: { tokenFile?: string } }[] }).users
  const tokenFile = entries?.find(({ name }) => name === user.name)?.user?.tokenFile
  const command: unknown = user.exec?.command
  return {
    ...user,
    ...(tokenFile && !user.token && { authProvider: { name: 'tokenFile', config: { tokenFile: absolute(tokenFile, folder) } } }),
    ...(typeof command === 'string' && command.includes('/') && { exec: { ...user.exec, command: absolute(command, folder) } }),
  }
}

const absolute = (path: string, folder: string): string => (isAbsolute(path) ? path : join(folder, path))

/** Changes when any of the files does, or comes, or goes. */
function stampOf(files: readonly string[]): string {
  return files
    .map((path) => {
      const found = statSync(path, { throwIfNoEntry: false, bigint: true })
      return found === undefined ? '' : `${found.ino} ${found.size} ${found.mtimeNs}`
    })
    .join(',')
}

/** Parsers repeat a piece of what they could not read, which may be a secret; plugins may print one. */
function reasonOf(cause: unknown): string {
  if (!(cause instanceof Error)) return 'a plugin failed'
  if (cause instanceof SyntaxError) return 'what the plugin printed is no JSON'
  if (cause instanceof TypeError) return 'it is no kubeconfig'
  const { name, code, mark } = cause as NodeJS.ErrnoException & { mark?: { line?: number } }
  if (name === 'YAMLException') return `it is no valid YAML${mark?.line === undefined ? '' : `, see line ${mark.line + 1}`}`
  if (code !== undefined) return `${code}${'path' in cause ? `: ${String(cause.path)}` : ''}`
  const first = cause.message.trim().split('\n', 1)[0] ?? ''
  return first.replaceAll(/[\w\-.=+/~]{24,}/g, '***').slice(0, 200) || 'a plugin failed'
}

function wrong(files: readonly string[], problem: string): ConfigError {
  return new ConfigError('KUBECONFIG', `${files.join(', ')}: ${problem}`, 'a kubeconfig file with a current context, as kubectl uses it')
}

async function within<T>(what: Promise<T>, limitMs: number): Promise<T> {
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(
    () => late.reject(new Orb8Error('get credentials', `the plugin has not answered for ${limitMs / 1000} s`, 'run it by hand')),
    limitMs,
  ).unref()
  try {
    return await Promise.race([what, late.promise])
  } finally {
    clearTimeout(timer)
  }
}
