// Which public addresses the kernel must not fold to `external`: the host's and the cluster's own whole, the named networks by number.
import { networkInterfaces } from 'node:os'
import { type Prefix, parsePrefix } from '../address.ts'
import type { NamedNetwork } from './networks.ts'

export interface PrefixRule {
  readonly prefix: Prefix
  /** Index of the named network; absent where addresses are kept whole. */
  readonly network?: number
}

/** Of equal prefixes the last counts: an address of the host's or the cluster's own is kept whole also inside a named network. */
export function prefixRules(
  networks: readonly NamedNetwork[],
  cluster: readonly Prefix[] = [],
  interfaces: NodeJS.Dict<readonly { readonly address: string; readonly cidr: string | null }[]> = networkInterfaces(),
): readonly PrefixRule[] {
  const own = Object.values(interfaces).flatMap((list) => (list ?? []).flatMap(({ address, cidr }) => [cidr ?? address, address]))
  return [
    ...networks.map(({ prefix }, network) => ({ prefix, network })),
    ...cluster.map((prefix) => ({ prefix })),
    ...own
      .map((text) => parsePrefix(text))
      .filter((prefix) => prefix !== undefined)
      .map((prefix) => ({ prefix })),
  ]
}
