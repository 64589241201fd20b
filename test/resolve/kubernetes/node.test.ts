import t from 'tap'
import { formatAddress } from '../../../src/address.ts'
import { stripNode } from '../../../src/resolve/kubernetes/node.ts'
import { broken, UID } from './raw.ts'

const RAW = {
  metadata: { uid: UID, name: 'node-1', labels: { 'topology.kubernetes.io/zone': 'eu-1a' } },
  spec: { podCIDR: '10.244.1.0/24', podCIDRs: ['10.244.1.0/24', 'fd00:244:1::/64'] },
  status: {
    addresses: [
      { type: 'InternalIP', address: '10.0.0.1' },
      { type: 'ExternalIP', address: '203.0.113.1' },
      { type: 'Hostname', address: 'node-1' },
      { type: 'InternalDNS', address: '10.9.9.9' },
      { type: 'InternalIP', address: 'fd00::1' },
    ],
  },
}

t.test('a node: addresses, zone and ranges', async (t) => {
  const node = stripNode(RAW)
  t.match(node, { uid: UID, name: 'node-1', zone: 'eu-1a' })
  t.strictSame(node?.addresses.map(formatAddress), ['10.0.0.1', '203.0.113.1', 'fd00::1'])
  t.strictSame(
    node?.podRanges.map(({ address, bits }) => `${formatAddress(address)}/${bits}`),
    ['10.244.1.0/120', 'fd00:244:1::/64'],
  )
})

t.test('a node without a zone and without ranges', async (t) => {
  t.match(stripNode({ metadata: { uid: UID, name: 'node-1' } }), { zone: '', addresses: [], podRanges: [] })
})

t.test('a node with anything missing or wrong is none, or has less, and never throws', async (t) => {
  let none = 0
  let all = 0
  for (const raw of broken(RAW)) {
    all++
    if (stripNode(raw) === undefined) none++
  }
  t.ok(none > 20 && none < all, `${none} of ${all} are none`)
})
