import t from 'tap'
import { peerScope } from '../../../src/resolve/kubernetes/peer-scope.ts'

t.test('what is set stands; auto follows all pods up to 200 nodes', async (t) => {
  for (const setting of ['cluster', 'services', 'off'] as const) t.equal(peerScope(setting, 5000, 'cluster'), setting)
  t.equal(peerScope('auto', 200), 'cluster')
  t.equal(peerScope('auto', 201), 'services')
})

t.test('a cluster about that size does not go to and fro', async (t) => {
  t.equal(peerScope('auto', 220, 'cluster'), 'cluster')
  t.equal(peerScope('auto', 221, 'cluster'), 'services')
  t.equal(peerScope('auto', 181, 'services'), 'services')
  t.equal(peerScope('auto', 180, 'services'), 'cluster')
})
