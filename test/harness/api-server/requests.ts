// Reads what is asked of the tests' API server, and by whom. Knows paths, verbs and credentials; nothing of what is answered.
import type { IncomingMessage } from 'node:http'
import type { TLSSocket } from 'node:tls'

export interface Asked {
  readonly method: string
  /** `list` or `watch`; for what is no resource the path. */
  readonly verb: string
  /** Empty for what is none. */
  readonly resource: string
  readonly query: Readonly<Record<string, string>>
  readonly headers: IncomingMessage['headers']
  /** Of the answer's body; grows while a watch lasts. */
  bytes: number
  status: number
}

export interface Refusal {
  readonly status: number
  readonly message?: string
  readonly reason?: string
  readonly retryAfter?: string
}

/** Who is let in; what is left out is not looked at. */
export interface Doors {
  readonly tokens?: readonly string[] | undefined
  readonly basic?: string | undefined
  readonly certificates?: boolean | undefined
}

/** Name in the path and kind of all that is served. */
export const RESOURCES: ReadonlyMap<string, string> = new Map([
  ['pods', 'Pod'],
  ['services', 'Service'],
  ['nodes', 'Node'],
  ['resourceslices', 'ResourceSlice'],
])

const LIST_PATH = /^\/(?:api\/v1\/(?!resourceslices)|apis\/resource\.k8s\.io\/v1\/(?=resourceslices))(\w+)$/

export function readRequest({ url = '', method = '', headers }: IncomingMessage, prefix: string): Asked {
  const { pathname, searchParams } = new URL(url, 'http://server')
  const resource = pathname.startsWith(`${prefix}/`) ? (LIST_PATH.exec(pathname.slice(prefix.length))?.[1] ?? '') : ''
  const query = Object.fromEntries(searchParams)
  const verb = resource === '' ? pathname : query.watch === 'true' ? 'watch' : 'list'
  return { method, verb, resource, query, headers, bytes: 0, status: 0 }
}

/** Undefined for who is known. */
export function unauthorized({ socket, headers }: IncomingMessage, { tokens, basic, certificates }: Doors): Refusal | undefined {
  const bearer = headers.authorization?.replace(/^Bearer /, '') ?? ''
  const known =
    (certificates !== true || (socket as TLSSocket).authorized) &&
    (tokens?.includes(bearer) ?? true) &&
    (basic === undefined || headers.authorization === `Basic ${Buffer.from(basic).toString('base64')}`)
  return known ? undefined : { status: 401, reason: 'Unauthorized', message: 'Unauthorized' }
}

/** Undefined for what a role with get, list and watch on pods, services, nodes and ResourceSlices allows. */
export function forbidden({ method, verb, resource }: Asked): Refusal | undefined {
  if (method === 'GET' && RESOURCES.has(resource)) return undefined
  const message = `${resource || verb} is forbidden: User "system:serviceaccount:orb8:orb8" cannot do that`
  return { status: 403, reason: 'Forbidden', message }
}
