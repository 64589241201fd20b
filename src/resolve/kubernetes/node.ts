// What is kept of a node: its addresses, its zone and the ranges that its pods may have. Knows the API's fields; holds nothing.
import { type Prefix, parsePrefix } from '../../address.ts'
import type { Address } from '../../model.ts'
import { addressesIn, fields, isFields, list, nameIn } from './fields.ts'

export interface Node {
  readonly uid: string
  readonly name: string
  readonly addresses: readonly Address[]
  /** Empty where nobody says. */
  readonly zone: string
  /** Not all networks keep to them. */
  readonly podRanges: readonly Prefix[]
}

const ADDRESS_TYPES = new Set<unknown>(['InternalIP', 'ExternalIP', 'Hostname'])
const ZONE = 'topology.kubernetes.io/zone'

/** Undefined for what is no node. */
export function stripNode(raw: unknown): Node | undefined {
  if (!isFields(raw)) return undefined
  const metadata = fields(raw.metadata)
  const [uid, name] = [nameIn(metadata.uid), nameIn(metadata.name)]
  if (uid === undefined || name === undefined) return undefined
  const [spec, status] = [fields(raw.spec), fields(raw.status)]
  const addresses = list(status.addresses).map(fields)
  const ranges = new Set([spec.podCIDR, ...list(spec.podCIDRs)])
  return {
    uid,
    name,
    addresses: addressesIn(addresses.filter(({ type }) => ADDRESS_TYPES.has(type)).map(({ address }) => address)),
    zone: nameIn(fields(metadata.labels)[ZONE]) ?? '',
    podRanges: [...ranges].flatMap((written) => (typeof written === 'string' ? (parsePrefix(written) ?? []) : [])),
  }
}
