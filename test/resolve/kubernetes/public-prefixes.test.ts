import t from 'tap'
import { formatAddress, type Prefix, parseAddress, parsePrefix } from '../../../src/address.ts'
import type { Address } from '../../../src/model.ts'
import { isPublic, PublicPrefixes } from '../../../src/resolve/kubernetes/public-prefixes.ts'

const address = (text: string): Address => parseAddress(text) as Address
const shown = (prefixes: PublicPrefixes): string[] => prefixes.list().map(({ address, bits }) => `${formatAddress(address)}/${bits}`)

t.test('what the kernel folds is public, what it keeps whole is not', async (t) => {
  const kept = '10.0.0.0 10.255.255.255 172.16.0.0 172.31.255.255 192.168.0.0 192.168.255.255 100.64.0.0 100.127.255.255 169.254.0.0'
  const folded = '9.255.255.255 11.0.0.0 172.15.255.255 172.32.0.0 192.167.255.255 192.169.0.0 100.63.255.255 100.128.0.0 169.253.0.0'
  for (const text of [...kept.split(' '), 'fc00::', 'fdff::1', 'fe80::', 'febf::1', '::1', '127.0.0.1'])
    t.equal(isPublic(address(text)), false, text)
  for (const text of [...folded.split(' '), '2001:db8::1', 'fec0::1', 'fbff::1', 'fe7f::1', 'ff02::1'])
    t.equal(isPublic(address(text)), true, text)
})

t.test('public addresses are kept while anybody has them, those of pods by their network', async (t) => {
  const prefixes = new PublicPrefixes()
  for (const text of ['203.0.113.1', '10.0.0.1', '203.0.113.1']) prefixes.addAddress(address(text))
  for (const text of ['198.51.100.7', '198.51.100.8', '10.1.0.1', '2001:db8:1::5', '2001:db8:1::6']) prefixes.addPod(address(text))
  for (const text of ['192.0.2.0/26', '10.244.0.0/16']) prefixes.addRange(parsePrefix(text) as Prefix)
  t.strictSame(shown(prefixes), ['203.0.113.1/128', '198.51.100.0/120', '2001:db8:1::/64', '192.0.2.0/122'])
  prefixes.removeAddress(address('203.0.113.1'))
  prefixes.removePod(address('198.51.100.7'))
  prefixes.removePod(address('2001:db8:1::5'))
  prefixes.removePod(address('2001:db8:1::6'))
  prefixes.removeRange(parsePrefix('192.0.2.0/26') as Prefix)
  prefixes.removeRange(parsePrefix('192.0.2.0/26') as Prefix)
  t.strictSame(shown(prefixes), ['203.0.113.1/128', '198.51.100.0/120'])
})

t.test('beyond the bound they are counted and not told', async (t) => {
  const prefixes = new PublicPrefixes(3)
  for (let n = 0; n < 5; n++) prefixes.addAddress(address(`203.0.113.${n}`))
  t.equal(prefixes.list().length, 3)
  t.equal(prefixes.overlooked, 2)
  for (let n = 0; n < 3; n++) prefixes.removeAddress(address(`203.0.113.${n}`))
  t.strictSame(shown(prefixes), ['203.0.113.3/128', '203.0.113.4/128'])
})
