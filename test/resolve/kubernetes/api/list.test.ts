import t from 'tap'
import { ApiClient } from '../../../../src/resolve/kubernetes/api/client.ts'
import { Intake } from '../../../../src/resolve/kubernetes/api/intake.ts'
import { list } from '../../../../src/resolve/kubernetes/api/list.ts'
import { ApiServer, type ApiServerOptions } from '../../../harness/api-server.ts'
import { pod } from '../../../harness/kubernetes-objects.ts'
import { Undo } from '../../../harness/undo.ts'
import { Index, openCluster, stripped } from './following.ts'

interface Listing {
  readonly server: ApiServer
  readonly index: Index
  /** Gives the version. */
  readonly run: (atLeast?: string, fieldSelector?: string) => Promise<string>
}

async function listing(options: ApiServerOptions, pods: number, body: (listing: Listing) => Promise<void>): Promise<void> {
  const undo = new Undo()
  try {
    const server = await ApiServer.start(undo, options)
    for (let i = 0; i < pods; i++) server.put(pod({ name: `p${i}`, node: `n${i % 2}` }))
    const client = new ApiClient(openCluster(server), { userAgent: 'orb8-test/1' })
    undo.add({ gently: () => client.close(), atOnce: () => undefined })
    const index = new Index()
    const intake = new Intake(index, stripped, () => undefined)
    const question = { deed: 'list pods', path: '/api/v1/pods', silenceMs: 10_000, signal: new AbortController().signal }
    await body({
      server,
      index,
      run: (atLeast = '0', fieldSelector) => list(client, { ...question, atLeast, fieldSelector }, intake),
    })
  } finally {
    await undo.all()
  }
}

const queries = (server: ApiServer): object[] => server.asked.map(({ query }) => query)

t.test('pages of 500 follow one another by their tokens', (t) =>
  listing({ pagesAtZero: true }, 1201, async ({ server, index, run }) => {
    t.equal(await run('0', 'spec.nodeName=n0'), '2201')
    t.equal(index.objects.size, 601)
    t.match(queries(server), [
      { resourceVersion: '0', limit: '500', fieldSelector: 'spec.nodeName=n0' },
      { continue: /./, limit: '500', fieldSelector: 'spec.nodeName=n0' },
    ])
    t.notOk('resourceVersion' in (queries(server)[1] ?? {}), 'a token goes without a version')
    await run()
    t.equal(index.objects.size, 1201)
    t.equal(server.asked.length, 2 + 3)
  }),
)

t.test('a server that gives all in one page is asked once', (t) =>
  listing({}, 1201, async ({ server, index, run }) => {
    await run()
    t.equal(index.objects.size, 1201)
    t.equal(server.asked.length, 1)
  }),
)

t.test('pages whose version has expired are followed by one list of all', (t) =>
  listing({ pagesAtZero: true }, 1201, async ({ server, index, run }) => {
    server.plan({ continued: true }, { kind: 'status', status: 410, reason: 'Expired', message: 'too old' })
    await run('7')
    t.match(queries(server), [
      { resourceVersion: '7', resourceVersionMatch: 'NotOlderThan', limit: '500' },
      { continue: /./ },
      { resourceVersion: '7', resourceVersionMatch: 'NotOlderThan' },
    ])
    t.notOk('limit' in (queries(server)[2] ?? {}))
    t.equal(index.objects.size, 1201)
    t.same(
      index.calls.filter((call) => call.startsWith('list')),
      ['listing', 'listing', 'listed'],
    )
  }),
)

t.test('another refusal of a page fails the list, which is not complete then', (t) =>
  listing({ pagesAtZero: true }, 501, async ({ server, index, run }) => {
    server.plan({ continued: true }, { kind: 'status', status: 500 })
    await t.rejects(run(), { name: 'ApiFailure', refusal: { status: 500 } })
    t.equal(index.calls.includes('listed'), false)
  }),
)

t.test('without a version the store is asked', (t) =>
  listing({}, 501, async ({ server, index, run }) => {
    await run('')
    t.match(queries(server), [{ limit: '500' }, { continue: /./ }])
    t.notOk('resourceVersion' in (queries(server)[0] ?? {}))
    t.equal(index.objects.size, 501)
  }),
)

t.test('a version that the server has not come to is refused', (t) =>
  listing({}, 1, async ({ run }) => {
    await t.rejects(run('9999'), {
      name: 'ApiFailure',
      refusal: { status: 504, message: /Too large resource version/, retryAfterMs: 1000 },
    })
  }),
)
