// Where the HTTP server listens, out of HOST:PORT. Knows how addresses are written, not whether this host has them.
import { isIPv4, isIPv6 } from 'node:net'

/** `host` is empty for every address of the host; port 0 lets the kernel pick one. */
export interface Listen {
  readonly host: string
  readonly port: number
}

const HOST_NAME = /^(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*\.?$/i

/** The address, or in words what is wrong with the text. */
export function parseListen(text: string): Listen | string {
  const match = /^(?:\[([^\]]*)\]|([^:]*)):(\d{1,5})$/.exec(text)
  if (match === null) return isIPv6(text.replace(/:\d+$/, '')) ? 'has an IPv6 address without brackets' : 'is not an address to listen on'
  const [, bracketed, host = '', digits] = match
  const port = Number(digits)
  if (port > 65535) return 'has a port above 65535'
  if (bracketed !== undefined) return isIPv6(bracketed) ? Object.freeze({ host: bracketed, port }) : 'has no IPv6 address in its brackets'
  const numeric = /^[\d.]+$/.test(host)
  if (host !== '' && (numeric ? !isIPv4(host) : !HOST_NAME.test(host))) return 'has no address or host name before its port'
  return Object.freeze({ host, port })
}
