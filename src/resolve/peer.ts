// Who is at the other end, from addresses alone: loopback, this node, a named network, or somewhere outside. Knows no cgroups.
import { isMapped, UNSPECIFIED } from '../address.ts'
import type { Address, FlowKey, PeerKind } from '../model.ts'
import { createPrefixMatch, type NamedNetwork } from './networks.ts'

export interface Peer {
  readonly peerKind: PeerKind
  readonly peerNamespace: string
  readonly peerWorkload: string
  readonly peerZone: string
}

export interface PeerSources {
  /** In the order of the settings: FlowKey.network is an index into it. */
  readonly networks: readonly NamedNetwork[]
  readonly hostAddresses: { has(address: Address): boolean }
}

const peer = (peerKind: PeerKind, peerWorkload = ''): Peer => ({ peerKind, peerNamespace: '', peerWorkload, peerZone: '' })

const LOOPBACK = peer('loopback')
const NODE = peer('node')
const EXTERNAL = peer('external')
const UNKNOWN = peer('unknown')
const OVERFLOW = peer('overflow')

/** 127.0.0.0/8 and ::1, which a socket may also reach from an address that is not the same. */
const LOOPBACK_V6 = `${'\0'.repeat(15)}\x01`
const LOOPBACK_V4_BYTE = 127

export function createPeerOf(sources: PeerSources): (key: FlowKey) => Peer {
  const { hostAddresses } = sources
  const names = sources.networks.map(({ name }) => peer('external', name))
  const networks = createPrefixMatch(sources.networks.map(({ prefix }, index) => [prefix, names[index] as Peer] as const))

  const peerAt = (local: Address, remote: Address): Peer => {
    if (remote === local || remote === LOOPBACK_V6 || (isMapped(remote) && remote.charCodeAt(12) === LOOPBACK_V4_BYTE)) return LOOPBACK
    if (remote === UNSPECIFIED) return UNKNOWN
    if (hostAddresses.has(remote)) return hostAddresses.has(local) ? LOOPBACK : NODE
    return networks.match(remote) ?? EXTERNAL
  }

  return (key) => {
    switch (key.peer) {
      case 'address':
        return peerAt(key.local, key.remote)
      case 'loopback':
        return LOOPBACK
      case 'external':
        return EXTERNAL
      case 'network':
        return names[key.network] ?? EXTERNAL
      case 'none':
        return UNKNOWN
      case 'overflow':
      case 'node_overflow':
        return OVERFLOW
      default:
        return key.peer satisfies never
    }
  }
}
