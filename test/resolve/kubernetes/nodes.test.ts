import t from 'tap'
import { formatAddress, parseAddress } from '../../../src/address.ts'
import type { Address } from '../../../src/model.ts'
import { type Node, stripNode } from '../../../src/resolve/kubernetes/node.ts'
import { Nodes } from '../../../src/resolve/kubernetes/nodes.ts'
import { PublicPrefixes } from '../../../src/resolve/kubernetes/public-prefixes.ts'
import { aUid } from './raw.ts'

const address = (text: string): Address => parseAddress(text) as Address

interface Raw {
  readonly uid?: string
  readonly name: string
  readonly ips?: readonly string[]
  readonly ranges?: readonly string[]
  readonly zone?: string
}

const node = ({ uid = aUid(), name, ips = [], ranges = [], zone = '' }: Raw): Node =>
  stripNode({
    metadata: { uid, name, labels: { 'topology.kubernetes.io/zone': zone } },
    spec: { podCIDRs: ranges },
    status: { addresses: ips.map((ip) => ({ type: 'InternalIP', address: ip })) },
  }) as Node

t.test('nodes by name, by address, and by the range around a pod', async (t) => {
  const nodes = new Nodes(new PublicPrefixes())
  const one = node({ name: 'one', ips: ['10.0.0.1', 'fd00::1'], ranges: ['10.244.1.0/24', 'fd00:1::/64'], zone: 'a' })
  const two = node({ name: 'two', ips: ['10.0.0.2'], ranges: ['10.244.2.0/24'] })
  nodes.put(one)
  nodes.put(two)
  t.equal(nodes.named('one'), one)
  t.equal(nodes.at(address('fd00::1')), one)
  t.equal(nodes.at(address('10.244.1.1')), undefined)
  t.equal(nodes.withRangeAround(address('10.244.2.77')), two)
  t.equal(nodes.withRangeAround(address('fd00:1::77')), one)
  t.equal(nodes.withRangeAround(address('10.244.3.1')), undefined)
  nodes.remove(two)
  t.strictSame(
    [nodes.named('two'), nodes.at(address('10.0.0.2')), nodes.withRangeAround(address('10.244.2.77'))],
    [undefined, undefined, undefined],
  )
  t.equal(nodes.size, 1)
})

t.test('a node registered anew under another name takes its addresses along, in whatever order the news comes', async (t) => {
  const nodes = new Nodes(new PublicPrefixes())
  const [old, renamed] = [node({ name: 'old', ips: ['10.0.0.1'] }), node({ name: 'new', ips: ['10.0.0.1'] })]
  nodes.put(old)
  nodes.put(renamed)
  nodes.remove(old)
  t.equal(nodes.at(address('10.0.0.1')), renamed)
  t.equal(nodes.named('old'), undefined)
})

t.test('a status that says nothing new changes nothing, a zone does', async (t) => {
  const nodes = new Nodes(new PublicPrefixes())
  const uid = aUid()
  nodes.put(node({ uid, name: 'one', ips: ['10.0.0.1'] }))
  const before = nodes.generation
  nodes.put(node({ uid, name: 'one', ips: ['10.0.0.1'] }))
  t.equal(nodes.generation, before)
  nodes.put(node({ uid, name: 'one', ips: ['10.0.0.1'], zone: 'b' }))
  t.ok(nodes.generation > before)
  t.equal(nodes.named('one')?.zone, 'b')
})

t.test('what a new list does not name has gone; public addresses and ranges are told while they are there', async (t) => {
  const prefixes = new PublicPrefixes()
  const nodes = new Nodes(prefixes)
  const told = (): string[] => prefixes.list().map(({ address, bits }) => `${formatAddress(address)}/${bits}`)
  nodes.put(node({ name: 'one', ips: ['203.0.113.1', '10.0.0.1'], ranges: ['2001:db8:1::/64'] }))
  t.strictSame(told(), ['203.0.113.1/128', '2001:db8:1::/64'])
  nodes.listing()
  nodes.put(node({ name: 'two', ips: ['10.0.0.2'] }))
  nodes.listed()
  t.strictSame(told(), [])
  t.strictSame([nodes.size, nodes.synced, nodes.at(address('10.0.0.1'))], [1, true, undefined])
})
