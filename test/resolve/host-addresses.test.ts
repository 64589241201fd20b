import { networkInterfaces } from 'node:os'
import t from 'tap'
import { parseAddress } from '../../src/address.ts'
import type { Address } from '../../src/model.ts'
import { createHostAddresses } from '../../src/resolve/host-addresses.ts'

const address = (text: string): Address => parseAddress(text) as Address

t.test("has every address of this host's interfaces, and no other", async (t) => {
  const hosts = createHostAddresses()
  const own = Object.values(networkInterfaces()).flatMap((list) => list ?? [])
  t.ok(own.length > 0)
  for (const { address: text } of own) t.ok(hosts.has(address(text)), text)
  t.notOk(hosts.has(address('192.0.2.1')))
  t.notOk(hosts.has(address('2001:db8::1')))
})

t.test('an address that comes or goes is noticed at a refresh, at most once a second', async (t) => {
  let nowMs = 0
  let listed = 0
  let texts = ['127.0.0.1', 'fe80::1%eth0']
  const interfaces = () => {
    listed++
    return { eth0: texts.map((text) => ({ address: text })) }
  }
  const hosts = createHostAddresses({ interfaces, nowMs: () => nowMs })
  const { generation } = hosts
  t.ok(hosts.has(address('fe80::1')))
  texts = ['127.0.0.1', '192.0.2.1']
  hosts.refresh()
  t.equal(listed, 1, 'too soon')
  nowMs = 1000
  hosts.refresh()
  t.ok(hosts.has(address('192.0.2.1')))
  t.notOk(hosts.has(address('fe80::1')))
  t.equal(hosts.generation, generation + 1)
  nowMs = 2000
  hosts.refresh()
  t.equal(listed, 3)
  t.equal(hosts.generation, generation + 1, 'the same set again is no change')
})
