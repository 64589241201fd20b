// Who is at the other end, from addresses and ports alone: loopback, the cluster's, this node, a named network, or somewhere outside.
// Knows no cgroups.
import { isMapped, UNSPECIFIED } from '../address.ts'
import type { Address, FlowKey, PeerKind } from '../model.ts'
import { createPrefixMatch, type NamedNetwork } from './networks.ts'

export interface Peer {
  readonly peerKind: PeerKind
  readonly peerNamespace: string
  readonly peerWorkload: string
  readonly peerZone: string
}

/** What a cluster knows of its addresses. Answers stand while `generation` does. */
export interface ClusterPeers {
  readonly generation: number
  /** The Service that was dialled. `isHost`: the remote address is one of this host's own. */
  service(key: FlowKey, isHost: boolean): Peer | undefined
  nodeOrPod(address: Address): Peer | undefined
  thisNode(): Peer
  /** An address that only pods have, and of which nothing else is known. */
  inPodRange(address: Address): Peer | undefined
  /** May it be a pod's that was not told of (yet)? */
  mayBePod(address: Address): boolean
}

export interface PeerSources {
  /** In the order of the settings: FlowKey.network is an index into it. */
  readonly networks: readonly NamedNetwork[]
  readonly hostAddresses: { has(address: Address): boolean }
  readonly cluster?: ClusterPeers
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
  const { hostAddresses, cluster } = sources
  const names = sources.networks.map(({ name }) => peer('external', name))
  const networks = createPrefixMatch(sources.networks.map(({ prefix }, index) => [prefix, names[index] as Peer] as const))

  // The order counts: IPVS gives a host all Services' addresses, and an exporter in a pod finds the pod's among its own.
  const peerAt = (key: FlowKey): Peer => {
    const { local, remote } = key
    const isHost = hostAddresses.has(remote)
    const service = cluster?.service(key, isHost)
    if (service !== undefined) return service
    if (remote === local || isLoopback(remote)) return LOOPBACK
    if (remote === UNSPECIFIED) return UNKNOWN
    if (isHost && hostAddresses.has(local)) return LOOPBACK
    const named = cluster?.nodeOrPod(remote)
    if (named !== undefined) return named
    if (isHost) return cluster?.thisNode() ?? NODE
    return cluster?.inPodRange(remote) ?? networks.match(remote) ?? (cluster?.mayBePod(remote) ? UNKNOWN : EXTERNAL)
  }

  /** IPVS gives a host all Services' addresses: what it dials of them is its own, and so is the address it dials from. */
  const dialledHere = (key: FlowKey): Peer | undefined => {
    if (key.role !== 'client' || key.local === UNSPECIFIED) return undefined
    return cluster?.service({ ...key, remote: key.local }, hostAddresses.has(key.local))
  }

  return (key) => {
    switch (key.peer) {
      case 'address':
        return peerAt(key)
      case 'loopback':
        return dialledHere(key) ?? LOOPBACK
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

function isLoopback(address: Address): boolean {
  return address === LOOPBACK_V6 || (isMapped(address) && address.charCodeAt(12) === LOOPBACK_V4_BYTE)
}
