// Why a request to the API server came to nothing, in words for a person. Knows the ways of TCP, TLS and HTTP; holds no secret.
import { Orb8Error } from '../../../errors.ts'

/** A server may ask for patience, not for good. */
const MAX_RETRY_AFTER_MS = 300_000
const MAX_MESSAGE = 300

export interface Refusal {
  readonly status: number
  /** Undefined where the server asks for none. */
  readonly retryAfterMs?: number | undefined
  /** What the server says, shortened. */
  readonly message: string
  /** Kubernetes' own word for the cause, such as `Expired`. */
  readonly reason: string
}

export class ApiFailure extends Orb8Error {
  override readonly name = 'ApiFailure'
  /** Undefined where there was no answer. */
  readonly refusal: Refusal | undefined

  constructor(deed: string, reason: string, remedy: string, options: { cause?: unknown; refusal?: Refusal } = {}) {
    super(deed, reason, remedy, options)
    this.refusal = options.refusal
  }
}

/** The peer said nothing for too long. */
export class Silence extends Error {
  override readonly name = 'Silence'
}

export function refused(deed: string, refusal: Refusal): ApiFailure {
  const { status, message } = refusal
  return new ApiFailure(deed, `HTTP ${status}${message === '' ? '' : `: ${message}`}`, REMEDIES[status] ?? '', { refusal })
}

const REMEDIES: Readonly<Record<number, string>> = {
  401: 'the token or certificate is not accepted; it is read again before each attempt',
  403: 'the role needs list and watch on it',
  404: 'is this a Kubernetes API server?',
  429: 'the server is busy; asking less often',
}

/** `error` as undici, Node's TLS or the credentials throw it. */
export function explained(deed: string, error: unknown): Orb8Error {
  if (error instanceof Orb8Error) return error
  const { code, words } = rootOf(error)
  const [reason, remedy] = CAUSES[code] ?? (TLS_CODE.test(code) ? [`TLS: ${code}`, TLS_REMEDY] : [code || words, ''])
  return new ApiFailure(deed, reason, remedy, { cause: error })
}

const TLS_CODE = /CERT|SSL|TLS|UNABLE_TO|SELF_SIGNED/
const TLS_REMEDY = 'the CA of the service account or kubeconfig must be the one that signed the server, under the name dialled'
const REACH = 'is the API server up, and reachable from here?'

const CAUSES: Readonly<Record<string, readonly [string, string]>> = {
  ECONNREFUSED: ['connection refused', REACH],
  EHOSTUNREACH: ['no route to the host', REACH],
  ENETUNREACH: ['no route to the network', REACH],
  ETIMEDOUT: ['the connection timed out', REACH],
  UND_ERR_CONNECT_TIMEOUT: ['connecting took too long', REACH],
  ENOTFOUND: ['no such host', 'see the DNS of this pod or host'],
  EAI_AGAIN: ['the name server does not answer', 'see the DNS of this pod or host'],
  ECONNRESET: ['the connection was cut', ''],
  UND_ERR_SOCKET: ['the connection was cut', ''],
  UND_ERR_ABORTED: ['the connection was cut', ''],
  HPE_INVALID_CONSTANT: ['the answer is no HTTP', 'is the scheme of the server right, https or http?'],
  ERR_TLS_CERT_ALTNAME_INVALID: ["the server's certificate is for another name", 'dial a name in it, or set tls-server-name'],
  CERT_HAS_EXPIRED: ["the server's certificate has expired", "renew it, or set this host's clock"],
  SILENCE: ['the server says nothing any more', REACH],
}

function rootOf(error: unknown): { code: string; words: string } {
  let at = error
  // An AggregateError stands for the attempts at several addresses.
  if (at instanceof AggregateError) at = at.errors[0]
  for (let depth = 0; depth < 4 && at instanceof Error; depth++) {
    if (at instanceof Silence) return { code: 'SILENCE', words: '' }
    const { code, cause } = at as NodeJS.ErrnoException
    if (code !== undefined && !(code === 'UND_ERR_SOCKET' && cause instanceof Error)) return { code: String(code), words: at.message }
    if (!(cause instanceof Error)) return { code: '', words: at.message.slice(0, MAX_MESSAGE) }
    at = cause
  }
  return { code: '', words: 'for no known reason' }
}

/** Of a Kubernetes `Status`, or of any other body. */
export function refusalOf(status: number, retryAfter: string | undefined, body: string): Refusal {
  const { message, reason } = statusOf(body)
  return { status, retryAfterMs: patience(retryAfter), message: shown(message), reason }
}

function statusOf(body: string): { message: string; reason: string } {
  try {
    const { message, reason } = JSON.parse(body) as { message?: unknown; reason?: unknown }
    return { message: String(message ?? ''), reason: String(reason ?? '') }
  } catch {
    return { message: '', reason: '' }
  }
}

function shown(message: string): string {
  return message.replaceAll(/\p{C}+/gu, ' ').slice(0, MAX_MESSAGE)
}

/** Seconds or a date. */
function patience(retryAfter: string | undefined): number | undefined {
  if (retryAfter === undefined) return undefined
  const ms = /^\d+$/.test(retryAfter) ? Number(retryAfter) * 1000 : Date.parse(retryAfter) - Date.now()
  return Number.isFinite(ms) ? Math.min(Math.max(ms, 0), MAX_RETRY_AFTER_MS) : undefined
}
