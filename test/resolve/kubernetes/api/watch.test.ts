import t from 'tap'
import { ApiClient } from '../../../../src/resolve/kubernetes/api/client.ts'
import { Intake } from '../../../../src/resolve/kubernetes/api/intake.ts'
import { watch } from '../../../../src/resolve/kubernetes/api/watch.ts'
import { ApiServer } from '../../../harness/api-server.ts'
import { pod } from '../../../harness/kubernetes-objects.ts'
import { Undo } from '../../../harness/undo.ts'
import { Index, openCluster, stripped } from './following.ts'

async function watching(
  body: (server: ApiServer, run: (version: string, random?: number) => Promise<string[]>) => Promise<void>,
): Promise<void> {
  const undo = new Undo()
  try {
    const server = await ApiServer.start(undo)
    const client = new ApiClient(openCluster(server), { userAgent: 'orb8-test/1' })
    undo.add({ gently: () => client.close(), atOnce: () => undefined })
    const run = async (version: string, random = 0): Promise<string[]> => {
      const seen: string[] = []
      const question = { deed: 'watch pods', path: '/api/v1/pods', silenceMs: 10_000, signal: new AbortController().signal }
      const index = new Index()
      const intake = new Intake(index, stripped, (reason) => seen.push(`skipped ${reason}`))
      await watch(client, { ...question, version, random: () => random }, intake, {
        begun: () => setImmediate(() => server.end()),
        reached: (reached) => seen.push(reached),
      })
      return [...seen, ...index.calls]
    }
    await body(server, run)
  } finally {
    await undo.all()
  }
}

t.test('what came after the version is told, up to the end', (t) =>
  watching(async (server, run) => {
    server.put(pod({ name: 'a' }), pod({ name: 'b' }), pod({ name: 'c' }))
    server.remove(pod({ name: 'b' }))
    t.same(await run('1001'), ['1002', '1003', '1004', 'put b', 'put c', 'remove b'])
  }),
)

t.test('the server is asked to end it after five to ten minutes', (t) =>
  watching(async (server, run) => {
    await run('1000', 0)
    await run('1000', 0.99999)
    t.same(
      server.asked.map(({ query }) => query.timeoutSeconds),
      ['300', '599'],
    )
  }),
)

t.test('one from too long ago cannot be resumed', (t) =>
  watching(async (server, run) => {
    server.put(pod({ name: 'a' }), pod({ name: 'b' }))
    server.compact()
    const expired = { name: 'ApiFailure', turnedBack: false, refusal: { status: 410, reason: 'Expired' } }
    await t.rejects(run('1000'), expired)
  }),
)
