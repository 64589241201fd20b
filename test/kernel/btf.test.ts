import t from 'tap'
import { FLOW_COUNTS, FLOW_KEY } from '../../src/kernel/layouts.ts'
import { SOCKET_OBJECT, shapesInObject } from '../../src/kernel/object.ts'

const camel = (name: string): string => name.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase())

t.test('the fields of a map stand where the compiler put them', async (t) => {
  const { key, value } = shapesInObject(SOCKET_OBJECT, ['flows_a']).flows_a
  for (const [shape, layout] of [
    [key, FLOW_KEY],
    [value, FLOW_COUNTS],
  ] as const) {
    const offsets = Object.fromEntries([...shape].filter(([name]) => name !== 'pad').map(([name, { offset }]) => [camel(name), offset]))
    const { size: _, ...expected } = layout
    t.same(offsets, expected)
  }
  t.same(key.get('remote')?.size, 16, 'an array')
  t.same(key.get('port')?.size, 2)
})

t.test('a struct inside another is told with the fields of both', async (t) => {
  const { value } = shapesInObject(SOCKET_OBJECT, ['connections']).connections
  t.same(value.get('lock'), { offset: 0, size: 4 })
  t.equal(value.get('key')?.size, FLOW_KEY.size)
  t.equal((value.get('key.port')?.offset ?? 0) - (value.get('key')?.offset ?? 0), FLOW_KEY.port)
})
