// Reads what the flow map tells of a flow out of the kernel's bytes. Knows the layout; nothing of whose it is.
import { UNSPECIFIED } from '../address.ts'
import { FLOW_COUNTS, FLOW_KEY, PEER, ROLE } from '../kernel/layouts.ts'
import type { Address, FlowCounts, FlowKey, PeerClass, Role } from '../model.ts'

const PEERS: Readonly<Record<number, PeerClass>> = {
  [PEER.peerAddress]: 'address',
  [PEER.peerLoopback]: 'loopback',
  [PEER.peerExternal]: 'external',
  [PEER.peerNetwork]: 'network',
  [PEER.peerOverflow]: 'overflow',
  [PEER.peerNone]: 'none',
}

const ROLES: Readonly<Record<number, Role>> = {
  [ROLE.roleUnknown]: 'unknown',
  [ROLE.roleClient]: 'client',
  [ROLE.roleServer]: 'server',
}

/** Of the same bytes. */
export function viewOf({ buffer, byteOffset, byteLength }: Buffer): DataView {
  return new DataView(buffer, byteOffset, byteLength)
}

/** Reads a `struct flow_key`. */
export function decodeKey(keys: Buffer, at: number): FlowKey {
  const id = keys.toString('latin1', at, at + FLOW_KEY.size)
  const peer = PEERS[keys[at + FLOW_KEY.peer] ?? -1] ?? 'address'
  const remote = id.slice(FLOW_KEY.remote, FLOW_KEY.remote + 16) as Address
  return {
    id,
    cgroup: keys.readBigUInt64LE(at + FLOW_KEY.cgroup),
    local: id.slice(FLOW_KEY.local, FLOW_KEY.local + 16) as Address,
    remote: peer === 'network' ? UNSPECIFIED : remote,
    peer,
    network: peer === 'network' ? keys.readUInt32LE(at + FLOW_KEY.remote + 12) : 0,
    port: keys.readUInt16LE(at + FLOW_KEY.port),
    protocol: keys[at + FLOW_KEY.protocol] ?? 0,
    role: ROLES[keys[at + FLOW_KEY.role] ?? 0] ?? 'unknown',
  }
}

/** Exact to 2^53; two 32-bit halves are five times faster than a bigint, and what is small is not made a double of. */
function int64(view: DataView, at: number): number {
  const high = view.getInt32(at + 4, true)
  const low = view.getInt32(at, true)
  return high === 0 && low >= 0 ? low : high * 4294967296 + (low >>> 0)
}

/** Reads a `struct flow_counts`. */
export function decodeCounts(values: DataView, at: number): FlowCounts {
  return {
    sentBytes: int64(values, at + FLOW_COUNTS.sentBytes),
    receivedBytes: int64(values, at + FLOW_COUNTS.receivedBytes),
    sentPackets: int64(values, at + FLOW_COUNTS.sentPackets),
    receivedPackets: int64(values, at + FLOW_COUNTS.receivedPackets),
    opened: int64(values, at + FLOW_COUNTS.opened),
    adopted: int64(values, at + FLOW_COUNTS.adopted),
    closed: int64(values, at + FLOW_COUNTS.closed),
    retransmitted: int64(values, at + FLOW_COUNTS.retransmitted),
  }
}
