// Named networks: `name=cidr,…` or a map of them. Reads and compares prefixes; knows nothing of who looks them up.
import { formatAddress, mask, type Prefix, parseAddress, parsePrefix } from '../address.ts'
import { quoted } from './quote.ts'

export interface NamedNetwork {
  readonly name: string
  readonly prefix: Prefix
}

/** Networks in one list. Each takes an entry of the kernel's prefix map, beside those that the exporter learns itself. */
export const MOST_NETWORKS = 1024

// Ends up as a label's value: what a person can type, grep and put in a URL.
const NAME = /^[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?$/i
const MAPPED = parseAddress('0.0.0.0')

/** Splits `name=cidr,name=cidr`; an item without `=` gets an undefined name, an empty text has no items. */
export function splitNetworks(text: string): readonly (readonly [string | undefined, string])[] {
  if (text === '') return []
  return text.split(',').map((item) => {
    const at = item.indexOf('=')
    return at < 0 ? [undefined, item.trim()] : [item.slice(0, at).trim(), item.slice(at + 1).trim()]
  })
}

/** The networks, or in words what is wrong with one of them. The same pair twice counts once. */
export function parseNetworks(pairs: readonly (readonly [string | undefined, string])[]): readonly NamedNetwork[] | string {
  if (pairs.length > MOST_NETWORKS) return `names ${pairs.length} networks`
  const found = new Map<string, NamedNetwork>()
  for (const [name, cidr] of pairs) {
    if (name === undefined) return `has ${quoted(cidr)}, which is not name=cidr`
    if (!NAME.test(name)) return `has a network with the name ${quoted(name)}`
    const prefix = parseNetwork(cidr)
    if (typeof prefix === 'string') return prefix
    const id = `${prefix.bits} ${prefix.address}`
    const other = found.get(id)
    if (other !== undefined && other.name !== name) return `gives ${cidr} two names, ${other.name} and ${name}`
    found.set(id, Object.freeze({ name, prefix: Object.freeze(prefix) }))
  }
  return Object.freeze([...found.values()])
}

function parseNetwork(cidr: string): Prefix | string {
  const prefix = /^[0-9a-f:.]+(\/\d+)?$/i.test(cidr) ? parsePrefix(cidr) : undefined
  const address = parseAddress(cidr.split('/', 1)[0] ?? '')
  if (prefix === undefined || address === undefined) return `has ${quoted(cidr)}, which is not an IPv4 or IPv6 network`
  if (prefix.address !== address) return `has ${cidr}, whose host bits are set; the network is ${written(prefix, cidr)}`
  // IPv4 is kept as ::ffff:0:0/96, so a shorter prefix around that would name every IPv4 peer as well.
  if (prefix.bits < 96 && MAPPED !== undefined && mask(MAPPED, prefix.bits) === prefix.address)
    return `has ${cidr}, which holds all of IPv4 too; write 2000::/3 for the public IPv6 addresses`
  return prefix
}

const written = (prefix: Prefix, cidr: string): string =>
  `${formatAddress(prefix.address)}/${cidr.includes(':') && !formatAddress(prefix.address).includes('.') ? prefix.bits : prefix.bits - 96}`
