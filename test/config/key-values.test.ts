import t from 'tap'
import { parseAttributes, parseHeaders } from '../../src/config/key-values.ts'

t.test('pairs are split at commas and the first equals sign, and URL-decoded', async (t) => {
  t.strictSame(parseHeaders(' Authorization = Bearer%20a%3Db , x=1=2,,x=3'), [
    ['authorization', 'Bearer a=b'],
    ['x', '3'],
  ])
  t.strictSame(parseAttributes('k8s.cluster.name=blue%2Cgreen,Where=Zürich'), [
    ['k8s.cluster.name', 'blue,green'],
    ['Where', 'Zürich'],
  ])
  t.strictSame(parseHeaders(''), [])
  t.strictSame(parseHeaders({ 'X-Key': 'a,b%20' }), [['x-key', 'a,b%20']], 'a map is taken as it is')
})

t.test('what no header can hold is told without its value', async (t) => {
  for (const text of [
    'hunter2',
    '=hunter2',
    'a=%hunter2',
    'a b=hunter2',
    'grpc-timeout=hunter2',
    'a=hunter2%0a',
    'a-bin=hunter2!',
    'é=hunter2',
  ]) {
    const said = parseHeaders(text)
    t.type(said, 'string', text)
    t.notMatch(said, /hunter2/)
  }
  t.strictSame(parseHeaders('a-bin=AAEC'), [['a-bin', 'AAEC']])
})

t.test('there is a bound', async (t) => {
  t.type(parseHeaders(Array.from({ length: 129 }, (_, index) => `k${index}=v`).join()), 'string')
})
