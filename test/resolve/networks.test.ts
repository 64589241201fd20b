import { BlockList, isIPv4 } from 'node:net'
import t from 'tap'
import { formatAddress, mask, type Prefix, parseAddress, parsePrefix } from '../../src/address.ts'
import type { Address } from '../../src/model.ts'
import { createPrefixMatch } from '../../src/resolve/networks.ts'

const prefix = (text: string): Prefix => parsePrefix(text) as Prefix
const address = (text: string): Address => parseAddress(text) as Address
const matcher = (...texts: string[]) => createPrefixMatch(texts.map((text) => [prefix(text), text] as const))

t.test('the longest prefix counts, in whatever order they come', async (t) => {
  for (const order of [
    ['10.0.0.0/8', '10.1.0.0/16', '10.1.2.0/24', '10.1.2.3/32'],
    ['10.1.2.3/32', '10.1.0.0/16', '10.1.2.0/24', '10.0.0.0/8'],
  ]) {
    const networks = matcher(...order)
    t.equal(networks.match(address('10.1.2.3')), '10.1.2.3/32')
    t.equal(networks.match(address('10.1.2.4')), '10.1.2.0/24')
    t.equal(networks.match(address('10.1.3.0')), '10.1.0.0/16')
    t.equal(networks.match(address('10.2.0.0')), '10.0.0.0/8')
    t.equal(networks.match(address('9.255.255.255')), undefined)
    t.equal(networks.match(address('11.0.0.0')), undefined)
  }
})

t.test('prefixes that end together, and at the very end', async (t) => {
  const networks = matcher('255.0.0.0/8', '255.255.255.0/24', '255.255.255.255/32', 'ff00::/8', 'ffff::/16')
  t.equal(networks.match(address('255.255.255.255')), '255.255.255.255/32')
  t.equal(networks.match(address('255.255.255.254')), '255.255.255.0/24')
  t.equal(networks.match(address('255.0.0.1')), '255.0.0.0/8')
  t.equal(networks.match(address('ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff')), 'ffff::/16')
  t.equal(networks.match(address('::1:0:0:0')), undefined, 'just above the last IPv4 address')
})

t.test('::/0 is all of IPv6 and nothing of IPv4; 0.0.0.0/0 the other way round', async (t) => {
  t.equal(matcher('::/0').match(address('192.0.2.1')), undefined)
  t.equal(matcher('::/0').match(address('2001:db8::1')), '::/0')
  t.equal(matcher('::/0', '0.0.0.0/0').match(address('192.0.2.1')), '0.0.0.0/0')
  t.equal(matcher('0.0.0.0/0').match(address('2001:db8::1')), undefined)
})

t.test('of two equal prefixes the later counts; none at all match nothing', async (t) => {
  const networks = createPrefixMatch([
    [prefix('192.0.2.0/24'), 'first'],
    [prefix('192.0.2.7/24'), 'second'],
  ])
  t.equal(networks.match(address('192.0.2.1')), 'second')
  t.equal(matcher().match(address('192.0.2.1')), undefined)
})

t.test('says the same as trying them all, where prefixes crowd in sixteen addresses', async (t) => {
  const base = '192.0.2.'
  for (let round = 0; round < 300; round++) {
    const prefixes = Array.from({ length: 8 }, () =>
      prefix(`${base}${Math.floor(Math.random() * 16)}/${28 + Math.floor(Math.random() * 5)}`),
    )
    const networks = createPrefixMatch(prefixes.map((one) => [one, one.bits] as const))
    for (let last = 0; last < 16; last++) {
      const one = address(`${base}${last}`)
      const lengths = prefixes.filter(({ address: start, bits }) => mask(one, bits) === start).map(({ bits }) => bits)
      const expected = lengths.length === 0 ? undefined : Math.max(...lengths)
      if (networks.match(one) !== expected) t.fail(`${base}${last}`, { prefixes, expected, found: networks.match(one) })
    }
    t.equal(networks.match(address('192.0.2.16')), undefined)
  }
})

t.test("says the same as node's BlockList for random prefixes of both families", async (t) => {
  let compared = 0
  let matched = 0
  for (let round = 0; round < 20; round++) {
    const texts = new Set<string>()
    // Few different bytes, so that prefixes nest and addresses hit them.
    const byte = (): number => [0, 1, 10, 127, 128, 255][Math.floor(Math.random() * 6)] ?? 0
    const v4 = (): string => [byte(), byte(), byte(), byte()].join('.')
    const v6 = (): string => Array.from({ length: 8 }, () => ((byte() << 8) | byte()).toString(16)).join(':')
    while (texts.size < 60)
      texts.add(Math.random() < 0.5 ? `${v4()}/${Math.floor(Math.random() * 33)}` : `${v6()}/${Math.floor(Math.random() * 129)}`)
    // One list a prefix, longest first: the first that has the address is the longest match.
    const lists = [...texts].map((text) => {
      const [host = '', bits = ''] = text.split('/')
      const list = new BlockList()
      list.addSubnet(host, Number(bits), isIPv4(host) ? 'ipv4' : 'ipv6')
      const { address: start, bits: length } = prefix(text)
      return { list, family: isIPv4(host) ? ('ipv4' as const) : ('ipv6' as const), name: `${formatAddress(start)} ${length}`, length }
    })
    lists.sort((a, b) => b.length - a.length)
    const networks = createPrefixMatch(
      [...texts].map((text) => {
        const one = prefix(text)
        return [one, `${formatAddress(one.address)} ${one.bits}`] as const
      }),
    )
    for (let n = 0; n < 500; n++) {
      const text = Math.random() < 0.5 ? v4() : v6()
      const family = isIPv4(text) ? 'ipv4' : 'ipv6'
      const expected = lists.find((entry) => entry.family === family && entry.list.check(text, family))?.name
      const found = networks.match(address(text))
      compared++
      if (expected !== undefined) matched++
      if (found !== expected) t.fail(`${text} in ${[...texts].join(' ')}`, { found, expected })
    }
  }
  t.equal(compared, 10_000)
  t.ok(matched > 1000, `${matched} of them lie in a prefix`)
})
