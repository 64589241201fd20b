import t from 'tap'
import { formatAddress } from '../../src/address.ts'
import { decodeCounts, decodeKey, viewOf } from '../../src/collect/flow-entries.ts'
import { FLOW_COUNTS, FLOW_KEY, PEER, ROLE } from '../../src/kernel/layouts.ts'
import { counts, key } from './entries.ts'

t.test('a key is read field by field', async (t) => {
  const read = decodeKey(Buffer.concat([Buffer.alloc(48, 0xee), key()]), FLOW_KEY.size)
  t.equal(read.cgroup, 0x1_0000_0007n)
  t.equal(formatAddress(read.local), '10.0.0.1')
  t.equal(formatAddress(read.remote), '2001:db8::2')
  t.same([read.port, read.protocol, read.role, read.peer, read.network], [65535, 6, 'server', 'address', 0])
  t.equal(read.id, key().toString('latin1'))
})

t.test('a named network is its number, and its remote address is not one', async (t) => {
  const read = decodeKey(key({ peer: PEER.peerNetwork, network: 70_000 }), 0)
  t.same([read.peer, read.network, formatAddress(read.remote)], ['network', 70_000, '::'])
})

t.test('every peer class and role has its word', async (t) => {
  t.same(
    Object.values(PEER).map((peer) => decodeKey(key({ peer }), 0).peer),
    ['address', 'loopback', 'external', 'network', 'overflow', 'none'],
  )
  t.same(
    Object.values(ROLE).map((role) => decodeKey(key({ role }), 0).role),
    ['unknown', 'client', 'server'],
  )
})

t.test('counts are exact to 2^53, also below zero', async (t) => {
  const bytes = counts({ sentBytes: -1n, receivedBytes: 9007199254740991n, sentPackets: 4294967296n, retransmitted: 4294967295n })
  const read = decodeCounts(viewOf(Buffer.concat([Buffer.alloc(64, 0xee), bytes])), FLOW_COUNTS.size)
  t.same([read.sentBytes, read.receivedBytes, read.sentPackets, read.retransmitted], [-1, 9007199254740991, 4294967296, 4294967295])
})
