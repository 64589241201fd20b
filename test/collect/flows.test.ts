import t from 'tap'
import { formatAddress } from '../../src/address.ts'
import { decodeCounts, decodeKey, FlowCollector, type FlowSource } from '../../src/collect/flows.ts'
import { FLOW_COUNTS, FLOW_KEY, PEER, ROLE } from '../../src/kernel/layouts.ts'
import type { MapBatch } from '../../src/kernel/maps.ts'
import type { Totals } from '../../src/kernel/socket-datapath.ts'
import type { Flow } from '../../src/model.ts'

function key(over: Partial<Record<'peer' | 'role' | 'port' | 'network' | 'protocol', number>> = {}): Buffer {
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

function counts(over: Partial<Record<keyof typeof FLOW_COUNTS, bigint>>): Buffer {
  const bytes = Buffer.alloc(FLOW_COUNTS.size)
  for (const [name, value] of Object.entries(over)) bytes.writeBigInt64LE(value, FLOW_COUNTS[name as keyof typeof FLOW_COUNTS])
  return bytes
}

const TOTALS: Totals = {
  tracked: 0,
  untrackedLimit: 0,
  untrackedMemory: 0,
  overflowFlows: 0,
  overflowBytes: 0,
  nodeOverflow: Buffer.alloc(FLOW_COUNTS.size),
  overflowHealth: 0,
}

/** Scripted collections, and what was asked in which order. */
function source(
  rounds: { flows?: readonly Buffer[]; overflow?: readonly Buffer[]; totals?: Partial<Totals> }[],
): FlowSource & { log: string[] } {
  const log: string[] = []
  let round = -1
  async function* batches(keys: readonly Buffer[] = []): AsyncGenerator<MapBatch> {
    for (const one of keys) yield { count: 1, keys: one, values: counts({ sentBytes: 5n }) }
  }
  return {
    log,
    async walk() {
      round++
      log.push('walk')
    },
    async *drainFlows() {
      log.push('flows')
      yield* batches(rounds[round]?.flows)
    },
    async *drainOverflow() {
      log.push('overflow')
      yield* batches(rounds[round]?.overflow)
    },
    totals: () => ({ ...TOTALS, ...rounds[round]?.totals }),
  }
}

async function collectAll(collector: FlowCollector): Promise<Flow[]> {
  const all: Flow[] = []
  await collector.collect((flows) => {
    all.push(...flows)
  })
  return all
}

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
  const read = decodeCounts(
    counts({ sentBytes: -1n, receivedBytes: 9007199254740991n, sentPackets: 4294967296n, retransmitted: 4294967295n }),
    0,
  )
  t.same([read.sentBytes, read.receivedBytes, read.sentPackets, read.retransmitted], [-1, 9007199254740991, 4294967296, 4294967295])
})

t.test('a collection walks before it drains, and drains the overflow only where some was counted', async (t) => {
  const scripted = source([
    { flows: [key()] },
    { overflow: [key({ peer: PEER.peerOverflow })], totals: { overflowFlows: 3 } },
    { totals: { overflowFlows: 3 } },
  ])
  const collector = new FlowCollector(scripted)
  t.equal((await collectAll(collector)).length, 1)
  t.same(scripted.log.splice(0), ['walk', 'flows'])
  t.equal((await collectAll(collector))[0]?.key.peer, 'overflow')
  t.same(scripted.log.splice(0), ['walk', 'flows', 'overflow'])
  t.equal((await collectAll(collector)).length, 0)
  t.same(scripted.log.splice(0), ['walk', 'flows'])
})

t.test('what not even the overflow map had room for is told once, as a difference', async (t) => {
  const collector = new FlowCollector(
    source([
      { totals: { nodeOverflow: counts({ sentBytes: 100n, opened: 2n }) } },
      { totals: { nodeOverflow: counts({ sentBytes: 100n, opened: 2n }) } },
      { totals: { nodeOverflow: counts({ sentBytes: 170n, opened: 2n }) } },
    ]),
  )
  const first = await collectAll(collector)
  t.same([first[0]?.key.peer, first[0]?.counts.sentBytes, first[0]?.counts.opened], ['node_overflow', 100, 2])
  t.same(await collectAll(collector), [])
  t.same((await collectAll(collector))[0]?.counts.sentBytes, 70)
})
