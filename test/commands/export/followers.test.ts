import t from 'tap'
import { Followers } from '../../../src/commands/export/followers.ts'
import { createLogger } from '../../../src/log.ts'
import { ApiServer } from '../../harness/api-server.ts'
import { until } from '../../harness/child.ts'
import { pod } from '../../harness/kubernetes-objects.ts'
import { Undo } from '../../harness/undo.ts'

t.test('a list is told once its sink has it, also where that takes a while', async (t) => {
  const undo = new Undo()
  try {
    const api = await ApiServer.start(undo)
    api.put(pod({ name: 'web' }))
    const cluster = { inCluster: false, access: async () => ({ server: api.url, headers: {}, tls: {} }), renew: () => undefined }
    const ignored = (): undefined => undefined
    const told = { connected: ignored, reconnected: ignored, synced: ignored, skipped: ignored, left: ignored, podsTracked: ignored }
    const calls: string[] = []
    const taken = Promise.withResolvers<void>()
    const log = createLogger('silent')
    const followers = await Followers.open(cluster, { log, told, listed: () => calls.push('listed') })
    undo.add({ gently: () => followers[Symbol.asyncDispose](), atOnce: ignored })
    const sink = { listing: ignored, remove: ignored, put: () => calls.push('put'), listed: () => taken.promise }
    followers.begin({ resource: 'pods', path: '/api/v1/pods', strip: () => ({}), sink })
    await until('the pod', () => calls.length > 0)
    t.same(calls, ['put'])
    taken.resolve()
    await until('the list', () => calls.length > 1)
    t.same(calls, ['put', 'listed'])
  } finally {
    await undo.all()
  }
})
