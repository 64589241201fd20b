// Where an OTLP collector listens, out of http://HOST:PORT and the forms that gRPC knows beside it. Resolves no name.
import { isIPv6 } from 'node:net'

export interface Endpoint {
  /** HOST:PORT, or unix:///PATH. */
  readonly address: string
  /** What the scheme says; undefined where there is none, and the setting for insecure connections decides. */
  readonly tls: boolean | undefined
}

const SCHEME = /^([a-z][a-z0-9+.-]*):\/\/(.*)$/is
const HTTP_PORT = 80
const TLS_PORT = 443

/** The endpoint, or in words what is wrong with the text. A path is gRPC's own affair and ignored, as the specification allows. */
export function parseEndpoint(text: string): Endpoint | string {
  if (text.startsWith('unix:')) return unixEndpoint(text.slice('unix:'.length))
  const [, scheme = '', rest = text] = SCHEME.exec(text) ?? []
  switch (scheme.toLowerCase()) {
    case 'http':
      return hostEndpoint(rest, HTTP_PORT, false)
    case 'https':
      return hostEndpoint(rest, TLS_PORT, true)
    case 'dns':
      return hostEndpoint(rest.replace(/^\//, ''), TLS_PORT, undefined)
    case '':
      return hostEndpoint(rest, TLS_PORT, undefined)
    default:
      return 'has a scheme that is neither http nor https'
  }
}

function unixEndpoint(path: string): Endpoint | string {
  const absolute = path.replace(/^\/\/(?=\/)/, '')
  if (!/^\/[^\0]{1,106}$/.test(absolute)) return 'has no absolute path of a socket, at most 107 bytes'
  return Object.freeze({ address: `unix://${absolute}`, tls: undefined })
}

function hostEndpoint(rest: string, port: number, tls: boolean | undefined): Endpoint | string {
  const authority = rest.split(/[/?#]/, 1)[0] ?? ''
  if (authority.includes('@')) return 'has a user before its host: credentials belong into the headers'
  const [, bracketed, name, digits] = /^(?:\[([^\]]*)\]|([^:[\]]+))(?::(\d{1,5}))?$/.exec(authority) ?? []
  if (bracketed !== undefined ? !isIPv6(bracketed) : name === undefined || !/^[\w.-]{1,253}$/.test(name))
    return 'has no host that could be one'
  if (Number(digits ?? port) > 65535 || Number(digits ?? port) === 0) return 'has a port outside 1 to 65535'
  const host = bracketed === undefined ? name : `[${bracketed}]`
  return Object.freeze({ address: `${host}:${Number(digits ?? port)}`, tls })
}
