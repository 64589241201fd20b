import t from 'tap'
import { formatAddress, parsePrefix } from '../../src/address.ts'
import { prefixRules } from '../../src/resolve/prefix-rules.ts'

const network = (name: string, text: string) => {
  const prefix = parsePrefix(text)
  if (prefix === undefined) throw new Error(text)
  return { name, prefix }
}

const shown = (rules: ReturnType<typeof prefixRules>): string[] =>
  rules.map(({ prefix, network }) => `${formatAddress(prefix.address)}/${prefix.bits} ${network ?? 'whole'}`)

t.test('named networks go by their number, the host own networks and addresses are kept whole', async (t) => {
  const interfaces = {
    eth0: [
      { address: '192.0.2.10', cidr: '192.0.2.10/24' },
      { address: '2001:db8::10', cidr: '2001:db8::10/64' },
    ],
    odd: [{ address: '198.51.100.1', cidr: null }],
    none: undefined,
  }
  t.same(shown(prefixRules([network('a', '203.0.113.0/24'), network('b', '2001:db8:1::/48')], [], interfaces)), [
    '203.0.113.0/120 0',
    '2001:db8:1::/48 1',
    '192.0.2.0/120 whole',
    '192.0.2.10/128 whole',
    '2001:db8::/64 whole',
    '2001:db8::10/128 whole',
    '198.51.100.1/128 whole',
    '198.51.100.1/128 whole',
  ])
})

t.test('an address of the host comes after a named network that is equal to it, and so wins', async (t) => {
  const rules = shown(prefixRules([network('me', '192.0.2.10/32')], [], { eth0: [{ address: '192.0.2.10', cidr: '192.0.2.10/32' }] }))
  t.equal(rules[0], '192.0.2.10/128 0')
  t.equal(rules.at(-1), '192.0.2.10/128 whole')
})

t.test('what the cluster has for itself is kept whole, also inside a named network', async (t) => {
  const cluster = [network('', '203.0.113.0/24').prefix, network('', '2001:db8:2::/64').prefix]
  t.same(shown(prefixRules([network('a', '203.0.113.0/24')], cluster, {})), [
    '203.0.113.0/120 0',
    '203.0.113.0/120 whole',
    '2001:db8:2::/64 whole',
  ])
})

t.test('the real interfaces give rules', async (t) => {
  t.ok(shown(prefixRules([])).includes('127.0.0.1/128 whole'))
})
