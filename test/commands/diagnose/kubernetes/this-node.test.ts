import t from 'tap'
import { thisNode } from '../../../../src/commands/diagnose/kubernetes/this-node.ts'

t.test('what is not allowed to be asked is left out', async (t) => {
  t.match(thisNode('a', { known: true, pods: 1 }), [{ status: 'ok', found: 'a is known, with 1 pod' }])
  t.match(thisNode('a', { known: true, pods: undefined }), [{ status: 'ok', found: 'a is known' }])
  t.match(thisNode('a', { known: undefined, pods: 3 }), [{ status: 'ok', found: 'a, with 3 pods' }])
  t.match(thisNode('a', { known: undefined, pods: 0 }), [{ status: 'warn', found: 'a, with 0 pods', remedy: /NODE_NAME/ }])
  t.strictSame(thisNode('a', { known: undefined, pods: undefined }), [])
})
