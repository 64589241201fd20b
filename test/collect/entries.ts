// Entries of the flow map, byte by byte as the kernel writes them. Knows the layout.
import { FLOW_COUNTS, FLOW_KEY, PEER, ROLE } from '../../src/kernel/layouts.ts'

export function key(over: Partial<Record<'peer' | 'role' | 'port' | 'network' | 'protocol', number>> = {}): Buffer {
  const bytes = Buffer.alloc(FLOW_KEY.size)
  bytes.writeBigUInt64LE(0x1_0000_0007n, FLOW_KEY.cgroup)
  Buffer.from('00000000000000000000ffff0a000001', 'hex').copy(bytes, FLOW_KEY.local)
  Buffer.from('20010db8000000000000000000000002', 'hex').copy(bytes, FLOW_KEY.remote)
  if (over.network !== undefined) bytes.writeUInt32LE(over.network, FLOW_KEY.remote + 12)
  bytes.writeUInt16LE(over.port ?? 65535, FLOW_KEY.port)
  bytes[FLOW_KEY.protocol] = over.protocol ?? 6
  bytes[FLOW_KEY.role] = over.role ?? ROLE.roleServer
  bytes[FLOW_KEY.peer] = over.peer ?? PEER.peerAddress
  return bytes
}

export function counts(over: Partial<Record<keyof typeof FLOW_COUNTS, bigint>>): Buffer {
  const bytes = Buffer.alloc(FLOW_COUNTS.size)
  for (const [name, value] of Object.entries(over)) bytes.writeBigInt64LE(value, FLOW_COUNTS[name as keyof typeof FLOW_COUNTS])
  return bytes
}
