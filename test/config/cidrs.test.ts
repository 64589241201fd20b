import t from 'tap'
import { formatAddress, parsePrefix } from '../../src/address.ts'
import { MOST_NETWORKS, type NamedNetwork, parseNetworks, splitNetworks } from '../../src/config/cidrs.ts'

const read = (text: string): readonly NamedNetwork[] | string => parseNetworks(splitNetworks(text))

t.test('networks of both families are read, one name may have several', async (t) => {
  const networks = read('corp=10.0.0.0/8, corp=fd00::/8,db=192.0.2.7') as readonly NamedNetwork[]
  t.strictSame(
    networks.map(({ name, prefix }) => [name, formatAddress(prefix.address), prefix.bits]),
    [
      ['corp', '10.0.0.0', 104],
      ['corp', 'fd00::', 8],
      ['db', '192.0.2.7', 128],
    ],
  )
})

t.test('no text, no networks', async (t) => t.strictSame(read(''), []))

t.test('the same pair twice counts once', async (t) => t.equal(read('a=10.0.0.0/8,a=10.0.0.0/8').length, 1))

t.test('all of IPv4 may have a name, all of IPv6 would take IPv4 with it', async (t) => {
  t.strictSame(read('v4=0.0.0.0/0'), [{ name: 'v4', prefix: parsePrefix('0.0.0.0/0') }])
  t.strictSame(read('v6=2000::/3'), [{ name: 'v6', prefix: parsePrefix('2000::/3') }])
  t.match(read('v6=::/0'), /all of IPv4/)
})

t.test('host bits that are set name the network that was meant', async (t) => {
  t.match(read('a=10.1.2.3/8'), /has 10.1.2.3\/8, whose host bits are set; the network is 10.0.0.0\/8$/)
  t.match(read('a=2001:db8::1/32'), /the network is 2001:db8::\/32$/)
  t.match(read('a=::ffff:10.1.2.3/104'), /the network is 10.0.0.0\/8$/)
})

t.test('what is wrong with an item is said', async (t) => {
  const wrong: Record<string, RegExp> = {
    '10.0.0.0/8': /"10.0.0.0\/8", which is not name=cidr/,
    'a=10.0.0.0/8,': /which is not name=cidr/,
    '=10.0.0.0/8': /with the name ""/,
    'a b=10.0.0.0/8': /with the name "a b"/,
    '-a=10.0.0.0/8': /with the name/,
    'a=10.0.0.0/33': /not an IPv4 or IPv6 network/,
    'a=::/129': /not an IPv4 or IPv6 network/,
    'a=10.0.0/8': /not an IPv4 or IPv6 network/,
    'a=10.0.0.0/': /not an IPv4 or IPv6 network/,
    'a=fe80::%eth0/64': /not an IPv4 or IPv6 network/,
    'a=example.org': /not an IPv4 or IPv6 network/,
    'a=10.0.0.0/8,b=10.0.0.0/8': /two names, a and b/,
  }
  for (const [text, problem] of Object.entries(wrong)) t.match(read(text), problem, text)
})

t.test('the list is bounded', async (t) => {
  const many = (count: number): string => Array.from({ length: count }, (_, index) => `n=10.${index >> 8}.${index & 255}.0/24`).join()
  t.equal(read(many(MOST_NETWORKS)).length, MOST_NETWORKS)
  t.match(read(many(MOST_NETWORKS + 1)), /1025 networks/)
})
