import t from 'tap'
import { formatAddress } from '../../../src/address.ts'
import { addressesIn, fields, list, nameIn, portIn, secondsIn } from '../../../src/resolve/kubernetes/fields.ts'

const ODD: readonly unknown[] = [undefined, null, 0, 1.5, Number.NaN, '', 'x', true, [], {}, [1], { a: 1 }, () => 1]

t.test('anything can be read, and what is not as it should be reads as nothing', async (t) => {
  for (const odd of ODD) {
    t.type(fields(odd), 'object')
    t.ok(Array.isArray(list(odd)))
    nameIn(odd)
    t.ok(Number.isInteger(portIn(odd)))
    t.ok(Number.isInteger(secondsIn(odd)))
  }
  t.strictSame(fields([1]), {})
  t.strictSame(list({ 0: 'a', length: 1 }), [])
})

t.test('names are printable, not empty and not endless', async (t) => {
  for (const name of ['web-0', 'kube-system', 'system:node', 'A_b.c', 'x'.repeat(253)]) t.equal(nameIn(name), name)
  for (const odd of ['', 'a b', 'a\0b', 'a\nb', 'é', 'x'.repeat(254), 7, ['a']]) t.equal(nameIn(odd), undefined, String(odd))
})

t.test('ports and times', async (t) => {
  t.equal(portIn(443), 443)
  for (const odd of [0, -1, 65_536, 1.5, '443', Number.NaN]) t.equal(portIn(odd), 0, String(odd))
  t.equal(secondsIn('2025-01-01T00:00:00Z'), 1_735_689_600)
  t.equal(secondsIn('2025-01-01T00:00:00.900Z'), 1_735_689_600)
  t.equal(secondsIn('yesterday'), 0)
})

t.test('addresses once each, in their order, and nothing else', async (t) => {
  const found = addressesIn(['10.0.0.1', 'None', '', undefined, 'fd00::1', '10.0.0.1', 7, '10.0.0.256'])
  t.strictSame(found.map(formatAddress), ['10.0.0.1', 'fd00::1'])
})
