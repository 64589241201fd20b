// A web configuration file's text -> rules: what its keys mean together. Knows the format, not when it is read.
import { dirname, resolve } from 'node:path'
import * as z from 'zod/mini'
import { ConfigError } from '../errors.ts'
import type { WebRules, WebTls } from '../model.ts'
import { didYouMean } from './nearest.ts'
import { named, quoted, quotedPath } from './quote.ts'
import { HASH, HEADER_KEYS, HTTP_KEYS, type Key, RATE_KEYS, TLS_KEYS, type Values } from './web-keys.ts'
import { certificatesProblem, contextProblem, keyProblem } from './web-pem.ts'
import { cipherList, curveList, hasTls12 } from './web-tls-words.ts'
import type { Entry } from './web-yaml.ts'

const SECTIONS = ['tls_server_config', 'http_server_config', 'rate_limit', 'basic_auth_users'] as const
const HTTP2_WITHOUT_EFFECT = 'http_server_config.http2: this server speaks HTTP/1.1 only, which every client of HTTP/2 falls back to'

/** `read` gives the text of a file that the rules name, by its absolute path; throws an Error. Throws ConfigError. */
export function webRules(file: string, top: readonly Entry[], read: (path: string) => string): WebRules {
  const root = new Section(file, '', top)
  root.only(SECTIONS)
  const http = root.section('http_server_config')
  http.only([...Object.keys(HTTP_KEYS), 'headers'])
  const { http2 } = http.values(HTTP_KEYS)
  return Object.freeze({
    tls: readTls(root.section('tls_server_config'), (path) => read(resolve(dirname(file), path))),
    headers: readHeaders(http.section('headers')),
    rateLimit: readRate(root.section('rate_limit')),
    users: readUsers(root.section('basic_auth_users')),
    warnings: http2 === true ? [HTTP2_WITHOUT_EFFECT] : [],
  })
}

/** One map of the file. */
class Section {
  readonly #file: string
  readonly #path: string
  readonly entries: readonly Entry[]

  constructor(file: string, path: string, entries: readonly Entry[]) {
    this.#file = file
    this.#path = path
    this.entries = entries
  }

  /** `key` undefined: the section itself. */
  error(key: string | undefined, problem: string, allowed: string): ConfigError {
    const line = this.entries.find((entry) => entry.key === key)?.line
    const path = [this.#path, key === undefined ? '' : named(key)].filter((part) => part !== '').join('.')
    return new ConfigError(`${named(this.#file)}:${path}${line === undefined ? '' : ` (line ${line})`}`, problem, allowed)
  }

  only(keys: readonly string[]): void {
    const unknown = this.entries.find(({ key }) => !keys.includes(key))
    if (unknown === undefined) return
    throw this.error(unknown.key, 'there is no such key', `${didYouMean(unknown.key, keys)}allowed: ${keys.join(', ')}`)
  }

  section(key: string): Section {
    const entry = this.entries.find((one) => one.key === key)
    if (entry !== undefined && entry.value !== null && entry.entries === undefined)
      throw this.error(key, 'it is not a map', 'keys and values')
    return new Section(this.#file, this.#path === '' ? key : `${this.#path}.${key}`, entry?.entries ?? [])
  }

  values<Keys extends Readonly<Record<string, Key>>>(keys: Keys): Values<Keys> {
    const read = Object.entries(keys).map(([name, key]) => {
      const entry = this.entries.find((one) => one.key === name)
      return [name, entry === undefined || entry.value === null || entry.value === '' ? undefined : this.read(entry, key)]
    })
    return Object.fromEntries(read) as Values<Keys>
  }

  /** Errors name a secret's line, not its key: who mistypes may have written either in the other's place. */
  read<T>({ key, line, value }: Entry, { check, allowed, secret }: Key<T>): T {
    const result = z.safeParse(check, value)
    if (result.success) return result.data
    const problem = result.error.issues[0]?.message ?? 'is not allowed'
    if (secret !== true) throw this.error(key, `${quoted(value)} ${problem}`, allowed)
    throw new ConfigError(`${named(this.#file)}:${this.#path} (line ${line})`, `what stands there ${problem}`, allowed)
  }
}

function readTls(section: Section, readFile: (path: string) => string): WebTls | undefined {
  if (section.entries.length === 0) return undefined
  section.only(Object.keys(TLS_KEYS))
  const given = section.values(TLS_KEYS)
  const pem = (key: 'cert' | 'key' | 'client_ca', problem: (pem: string) => string | undefined): string | undefined => {
    const [inline, path] = [given[key], given[`${key}_file`]]
    if (inline !== undefined && path !== undefined) throw section.error(key, `${key}_file is given too`, 'one of them')
    const text = path === undefined ? inline : fileText(section, `${key}_file`, path, readFile)
    const wrong = text === undefined ? undefined : problem(text)
    if (wrong === undefined) return text
    throw section.error(
      path === undefined ? key : `${key}_file`,
      path === undefined ? `it ${wrong}` : `${quotedPath(path)} ${wrong}`,
      TLS_KEYS[key].allowed,
    )
  }
  const cert = pem('cert', certificatesProblem)
  if (cert === undefined) throw section.error(undefined, 'it has neither cert_file nor cert', 'TLS needs a certificate and its key')
  const key = pem('key', (text) => keyProblem(text, cert))
  if (key === undefined) throw section.error(undefined, 'it has neither key_file nor key', 'TLS needs a certificate and its key')
  const ciphers = cipherList(given.cipher_suites)
  const tls: WebTls = Object.freeze({
    cert,
    key,
    clientCa: pem('client_ca', certificatesProblem),
    clientAuth: given.client_auth_type ?? 'NoClientCert',
    allowedSans: given.client_allowed_sans,
    minVersion: given.min_version ?? 'TLSv1.2',
    maxVersion: given.max_version ?? 'TLSv1.3',
    ciphers,
    honorCipherOrder: given.prefer_server_cipher_suites ?? true,
    ecdhCurve: curveList(given.curve_preferences),
  })
  refuseContradictions(section, tls)
  return tls
}

function fileText(section: Section, key: string, path: string, readFile: (path: string) => string): string {
  try {
    return readFile(path)
  } catch (error) {
    throw section.error(
      key,
      `${quotedPath(path)} cannot be read: ${reasonOf(error)}`,
      'a file that this user may read; relative to this file',
    )
  }
}

/** Without the path, which stands before it. */
export const reasonOf = (error: unknown): string =>
  (error as NodeJS.ErrnoException).code ?? (error instanceof Error ? error.message : String(error))

function refuseContradictions(section: Section, tls: WebTls): void {
  const { clientAuth, clientCa, allowedSans, minVersion, maxVersion, ciphers } = tls
  const verifies = clientAuth === 'VerifyClientCertIfGiven' || clientAuth === 'RequireAndVerifyClientCert'
  const requires = clientAuth === 'RequireAnyClientCert' || clientAuth === 'RequireAndVerifyClientCert'
  const auth = (problem: string, allowed: string): ConfigError => section.error('client_auth_type', `${clientAuth} ${problem}`, allowed)
  if (clientCa !== undefined && clientAuth === 'NoClientCert')
    throw auth('never looks at client_ca', 'RequireAndVerifyClientCert, or no client_ca')
  if (clientCa === undefined && verifies) throw auth('needs certificates to check against', 'client_ca_file or client_ca')
  if (allowedSans !== undefined && !requires)
    throw auth(
      'lets clients in without a certificate, in spite of client_allowed_sans',
      'RequireAndVerifyClientCert or RequireAnyClientCert',
    )
  if (minVersion > maxVersion) throw section.error('max_version', 'it is below min_version', 'the same or a newer one')
  if (maxVersion === 'TLSv1.2' && !hasTls12(ciphers))
    throw section.error('cipher_suites', 'it has none of TLS 1.2', 'one that max_version can use')
  const problem = contextProblem(tls)
  if (problem !== undefined) throw section.error(undefined, `it ${problem}`, 'a longer key, or another cipher suite or curve')
}

function readHeaders(section: Section): Readonly<Record<string, string>> {
  section.only(Object.keys(HEADER_KEYS))
  const given = Object.entries(section.values(HEADER_KEYS)).filter((pair): pair is [string, string] => pair[1] !== undefined)
  return Object.freeze(Object.fromEntries(given))
}

function readRate(section: Section): WebRules['rateLimit'] {
  section.only(Object.keys(RATE_KEYS))
  const { interval: intervalMs = 0, burst = 0 } = section.values(RATE_KEYS)
  if (intervalMs === 0) return undefined
  if (burst < 1) throw section.error('burst', 'it would let no request through', RATE_KEYS.burst.allowed)
  return Object.freeze({ intervalMs, burst })
}

function readUsers(section: Section): ReadonlyMap<string, string> {
  return new Map(section.entries.map((entry) => [entry.key, section.read(entry, HASH)]))
}
