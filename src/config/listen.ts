// Where the HTTP server listens, out of HOST:PORT and unix:PATH. Knows how addresses are written, not whether this host has them.
import { isIPv4, isIPv6 } from 'node:net'

/** `host` is empty for every address of the host; port 0 lets the kernel pick one. `path`: a unix socket, from the root. */
export type Listen = { readonly host: string; readonly port: number } | { readonly path: string }

/** Each is an open file; more is a mistake. */
export const MOST_ADDRESSES = 16

/** What the kernel has room for, less the closing zero. */
const PATH_BYTES = 107

const HOST_NAME = /^(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*\.?$/i

/** The addresses, or in words what is wrong with one of them. */
export function parseListen(list: readonly string[]): readonly Listen[] | string {
  if (list.length > MOST_ADDRESSES) return `has ${list.length} addresses`
  const found: Listen[] = []
  for (const text of list) {
    const address = text.startsWith('unix:') ? parsePath(text.slice('unix:'.length)) : parseAddress(text)
    if (typeof address === 'string') return address
    found.push(Object.freeze(address))
  }
  if (found.length === 0) return 'has no address to listen on'
  if (new Set(list).size < list.length) return 'has one address twice'
  return Object.freeze(found)
}

function parsePath(path: string): Listen | string {
  if (!path.startsWith('/') || path.endsWith('/')) return 'has a unix socket without an absolute path'
  if (path.includes('\0') || Buffer.byteLength(path) > PATH_BYTES) return `has a path that is no unix socket's: at most ${PATH_BYTES} bytes`
  return { path }
}

function parseAddress(text: string): Listen | string {
  const match = /^(?:\[([^\]]*)\]|([^:]*)):(\d{1,5})$/.exec(text)
  if (match === null) return isIPv6(text.replace(/:\d+$/, '')) ? 'has an IPv6 address without brackets' : 'is not an address to listen on'
  const [, bracketed, host = '', digits] = match
  const port = Number(digits)
  if (port > 65535) return 'has a port above 65535'
  if (bracketed !== undefined) return isIPv6(bracketed) ? { host: bracketed, port } : 'has no IPv6 address in its brackets'
  const numeric = /^[\d.]+$/.test(host)
  if (host !== '' && (numeric ? !isIPv4(host) : !HOST_NAME.test(host))) return 'has no address or host name before its port'
  return { host, port }
}
