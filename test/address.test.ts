import t from 'tap'
import { formatAddress, isMapped, mask, parseAddress, parsePrefix } from '../src/address.ts'

const TEXTS: readonly (readonly [string, string])[] = [
  ['127.0.0.1', '127.0.0.1'],
  ['255.255.255.255', '255.255.255.255'],
  ['::', '::'],
  ['::1', '::1'],
  ['1::', '1::'],
  ['2001:db8::1:0:0:1', '2001:db8::1:0:0:1'],
  ['2001:0DB8:0:0:0:0:0:1', '2001:db8::1'],
  ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
  ['::ffff:10.0.0.1', '10.0.0.1'],
  ['::ffff:a00:1', '10.0.0.1'],
  ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
  ['fe80::1%eth0', 'fe80::1'],
]

t.test('addresses are read and written as RFC 5952 says', async (t) => {
  for (const [text, canonical] of TEXTS) {
    const address = parseAddress(text)
    t.ok(address !== undefined && address.length === 16, text)
    if (address !== undefined) t.equal(formatAddress(address), canonical, text)
  }
})

t.test('what is no address is none', async (t) => {
  for (const text of ['', '1.2.3', '1.2.3.256', '::1::', 'localhost', '1:2:3:4:5:6:7:8:9', '10.0.0.1/8', ' 10.0.0.1'])
    t.equal(parseAddress(text), undefined, text)
})

t.test('IPv4 is mapped, and IPv4 prefixes count from there', async (t) => {
  const prefix = parsePrefix('10.1.2.3/8')
  t.ok(prefix !== undefined && isMapped(prefix.address))
  t.equal(prefix?.bits, 104)
  t.equal(prefix && formatAddress(prefix.address), '10.0.0.0')
  t.equal(parsePrefix('2001:db8::5/33')?.bits, 33)
  t.equal(parsePrefix('10.0.0.1')?.bits, 128)
})

t.test('what is no prefix is none', async (t) => {
  for (const text of ['10.0.0.0/33', '::/129', '10.0.0.0/', '10.0.0.0/-1', '10.0.0.0/8/8', '/8', 'x/8'])
    t.equal(parsePrefix(text), undefined, text)
})

t.test('a mask clears every bit behind it', async (t) => {
  const all = '\xff'.repeat(16) as Parameters<typeof mask>[0]
  for (let bits = 0; bits <= 128; bits++) {
    const binary = [...mask(all, bits)].map((byte) => byte.charCodeAt(0).toString(2).padStart(8, '0')).join('')
    t.equal(binary, '1'.repeat(bits).padEnd(128, '0'), `${bits}`)
  }
})
