import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { ApiServer } from '../../../harness/api-server.ts'
import { until, within } from '../../../harness/child.ts'
import { pod } from '../../../harness/kubernetes-objects.ts'
import { Undo } from '../../../harness/undo.ts'
import { Following, openCluster } from './following.ts'

const ab = (server: ApiServer): void => server.put(pod({ name: 'a' }), pod({ name: 'b' }))

t.test(
  'lists from the cache first, then watches from there',
  Following.test({}, ab, async (t, f) => {
    await f.watching()
    t.same(f.index.calls, ['listing', 'put a', 'put b', 'listed'])
    const [list, watch] = f.server.asked
    t.same([list?.verb, list?.query], ['list', { resourceVersion: '0', limit: '500' }])
    t.same(
      [watch?.verb, watch?.query],
      ['watch', { watch: 'true', allowWatchBookmarks: 'true', resourceVersion: '1002', timeoutSeconds: '450' }],
    )
    t.match(list?.headers, { accept: 'application/json', 'user-agent': 'orb8-test/1' })
    f.server.put(pod({ name: 'c' }), pod({ name: 'a', labels: { changed: 'yes' } }))
    f.server.remove(pod({ name: 'b' }))
    await f.holds('a', 'c')
    t.same(f.index.calls.slice(4), ['put c', 'put a', 'remove b'])
    t.equal(f.index.objects.get('a'), '1004', 'as it was last')
    t.same(f.told, ['pods disconnected', 'pods connected'])
    t.same(f.waits, [], 'nothing was waited for')
    t.equal(f.requests, 2)
    t.equal(f.bytes, (list?.bytes ?? 0) + (watch?.bytes ?? 0))
    t.equal(f.syncedAt.length, 4, 'the list and three events')
    t.ok(Math.abs((f.syncedAt[0] ?? 0) - Date.now()) < 60_000)
  }),
)

t.test(
  'a pod that leaves the field selector has gone',
  Following.test(
    { watch: { fieldSelector: 'spec.nodeName=mine' } },
    (server) => server.put(pod({ name: 'a', node: 'mine' }), pod({ name: 'b', node: 'other' })),
    async (t, f) => {
      await f.watching()
      t.same(f.names, ['a'])
      f.server.put(pod({ name: 'c', node: 'mine' }), pod({ name: 'a', node: 'other' }))
      await f.holds('c')
      t.same(new Set(f.server.asked.map(({ query }) => query.fieldSelector)), new Set(['spec.nodeName=mine']))
    },
  ),
)

t.test(
  'a watch that is cut goes on where it was, without a list',
  Following.test({}, ab, async (t, f) => {
    await f.watching()
    f.server.put(pod({ name: 'c' }))
    await f.holds('a', 'b', 'c')
    f.server.cut()
    f.server.put(pod({ name: 'd' }))
    await f.holds('a', 'b', 'c', 'd')
    t.equal(f.server.askedFor('list').length, 1)
    t.equal(f.server.askedFor('watch').at(-1)?.query.resourceVersion, '1003')
    t.same(f.told, ['pods disconnected', 'pods connected', 'pods disconnected', 'pods connected', 'pods reconnected'])
    t.same(f.waits, [1500])
    t.same(f.log, [], 'that is life, and no line in the log')
  }),
)

t.test(
  'a watch that the server ends in order is followed by another at once',
  Following.test({}, ab, async (t, f) => {
    await f.watching()
    for (let round = 1; round <= 3; round++) {
      f.server.end()
      await until('the next watch', () => f.server.askedFor('watch').length === round + 1 && f.server.watching() === 1)
    }
    t.same(f.waits, [])
    t.equal(f.server.askedFor('list').length, 1)
    t.equal(f.told.includes('pods disconnected', 1), false)
  }),
)

t.test(
  'a server that ends every watch at once is asked ever less often',
  Following.test({ timing: { shortWatchMs: 60_000 } }, ab, async (t, f) => {
    f.server.plan({ verb: 'watch' }, { kind: 'body', body: '' }, 6)
    await until('six watches', () => f.waits.length >= 6)
    t.same(f.waits.slice(0, 6), [1500, 3000, 6000, 12_000, 22_500, 22_500])
    t.equal(f.server.askedFor('list').length, 1)
  }),
)

t.test(
  'a bookmark says where to go on',
  Following.test({}, ab, async (t, f) => {
    await f.watching()
    f.server.put(pod({ name: 'elsewhere' }))
    await f.holds('a', 'b', 'elsewhere')
    f.server.bookmark('pods', 5000)
    await until('the bookmark', () => f.syncedAt.length === 3)
    f.server.cut()
    await until('the next watch', () => f.server.askedFor('watch').length === 2)
    t.equal(f.server.askedFor('watch').at(-1)?.query.resourceVersion, '5000')
    t.equal(f.names.length, 3, 'and puts nothing')
  }),
)

t.test(
  'a silent server is left after a while, and asked again',
  Following.test({ timing: { watchSilenceMs: 150 } }, ab, async (t, f) => {
    await f.watching()
    f.server.freeze()
    await until('the watch to be cut', () => f.told.at(-1) === 'pods disconnected')
    f.server.put(pod({ name: 'c' }))
    f.server.wake()
    await f.holds('a', 'b', 'c')
    t.equal(f.server.askedFor('watch').at(-1)?.query.resourceVersion, '1002')
    t.equal(f.server.askedFor('list').length, 1)
  }),
)

t.test(
  'a server that says something now and then is not left',
  Following.test({ timing: { watchSilenceMs: 1500 } }, ab, async (t, f) => {
    await f.watching()
    for (let i = 0; i < 10; i++) {
      await sleep(200)
      f.server.bookmark()
    }
    t.equal(f.server.askedFor('watch').length, 1)
  }),
)

t.test(
  'an expired watch leads to a new list that is as new as what is known',
  Following.test({}, ab, async (t, f) => {
    await f.watching()
    f.server.remove(pod({ name: 'a' }))
    await f.holds('b')
    await f.server.stop()
    f.server.remove(pod({ name: 'b' }))
    f.server.put(pod({ name: 'c' }))
    f.server.compact()
    await f.server.restart()
    await f.holds('c')
    t.same(f.server.askedFor('list').at(-1)?.query, { limit: '500', resourceVersion: '1003', resourceVersionMatch: 'NotOlderThan' })
    t.same(f.index.calls.slice(-3), ['listing', 'put c', 'listed'], 'b went with the list')
  }),
)

t.test(
  'a watch refused with 410 leads to a new list',
  Following.test({}, ab, async (t, f) => {
    await f.watching()
    f.server.plan({ verb: 'watch' }, { kind: 'status', status: 410, reason: 'Gone', message: 'too old resource version: 1 (2)' })
    f.server.cut()
    await until('the list', () => f.server.askedFor('list').length === 2)
    await f.watching()
    t.same(f.names, ['a', 'b'])
    t.same(f.log, [])
  }),
)

t.test(
  'a server that expires every watch is not hammered with lists',
  Following.test({}, ab, async (t, f) => {
    const status = { kind: 'Status', code: 410, reason: 'Expired', message: 'too old' }
    f.server.plan({ verb: 'watch' }, { kind: 'body', body: `${JSON.stringify({ type: 'ERROR', object: status })}\n` }, 6)
    await until('seven lists', () => f.server.askedFor('list').length === 7)
    t.same(f.waits, [1500, 3000, 6000, 12_000, 22_500, 22_500])
  }),
)

t.test(
  'any other error event leads to a new list too',
  Following.test({}, ab, async (t, f) => {
    await f.watching()
    f.server.say(`${JSON.stringify({ type: 'ERROR', object: { kind: 'Status', code: 500, message: 'decoding failed' } })}\n`)
    await until('the list', () => f.server.askedFor('list').length === 2)
    await f.watching()
    t.equal(f.waits.length, 1)
  }),
)

t.test(
  'refusals are waited out with patience, and the watch goes on where it was',
  Following.test({}, ab, async (t, f) => {
    await f.watching()
    for (const [status, retryAfter] of [
      [500, undefined],
      [429, '40'],
      [503, '1'],
      [403, undefined],
    ] as const) {
      f.server.plan({ verb: 'watch' }, { kind: 'status', status, message: `no ${status}`, ...(retryAfter !== undefined && { retryAfter }) })
    }
    f.server.cut()
    await until('the watch', () => f.server.watching() === 1 && f.waits.length === 5)
    t.same(f.waits, [1500, 3000, 45_000, 12_000, 22_500])
    t.equal(f.server.askedFor('list').length, 1)
    await until('the end of it in the log', () => f.log.length === 5)
    t.match(f.log, [
      /^warn cannot watch pods at http:\/\/127.0.0.1:\d+: HTTP 500: no 500$/,
      /HTTP 429: no 429/,
      /HTTP 503/,
      /HTTP 403: no 403 \(the role needs list and watch/,
      /^info pods of the cluster are followed again$/,
    ])
  }),
)

t.test(
  'after a change has come the next failure is the first again',
  Following.test({}, ab, async (t, f) => {
    await f.watching()
    f.server.plan({ verb: 'watch' }, { kind: 'status', status: 500 }, 2)
    f.server.cut()
    await until('the watch', () => f.server.watching() === 1 && f.waits.length === 3)
    f.server.put(pod({ name: 'c' }))
    await f.holds('a', 'b', 'c')
    f.server.cut()
    await until('the next wait', () => f.waits.length === 4)
    t.same(f.waits, [1500, 3000, 6000, 1500])
  }),
)

t.test(
  'after a watch that ended in order too',
  Following.test({}, ab, async (t, f) => {
    await f.watching()
    f.server.plan({ verb: 'watch' }, { kind: 'status', status: 500 }, 2)
    f.server.cut()
    await until('the watch', () => f.server.watching() === 1 && f.waits.length === 3)
    f.server.end()
    await until('the next watch', () => f.server.askedFor('watch').length === 5 && f.server.watching() === 1)
    f.server.cut()
    await until('the next wait', () => f.waits.length === 4)
    t.same(f.waits, [1500, 3000, 6000, 1500])
  }),
)

t.test(
  'a list that fails is asked again the same way',
  Following.test(
    {},
    (server) => {
      ab(server)
      server.plan({ verb: 'list' }, { kind: 'status', status: 500 })
      server.plan({ verb: 'list' }, { kind: 'status', status: 429, retryAfter: '8' })
    },
    async (t, f) => {
      await f.watching()
      t.same(
        f.server.askedFor('list').map(({ query }) => query.resourceVersion),
        ['0', '0', '0'],
      )
      t.same(f.waits, [1500, 9000])
      t.same(f.names, ['a', 'b'])
    },
  ),
)

t.test('who is not let in tries on, and goes on with a new token', async (t) => {
  let token = 'old'
  let renewed = 0
  const undo = new Undo()
  try {
    const server = await ApiServer.start(undo, { tokens: ['old'] })
    ab(server)
    const cluster = { ...openCluster(server, () => ({ authorization: `Bearer ${token}` })), renew: () => void renewed++ }
    const f = new Following(server, { cluster })
    undo.add({ gently: () => f.close(), atOnce: () => undefined })
    await f.watching()
    server.tokens = ['new']
    server.cut()
    server.put(pod({ name: 'c' }))
    await until('three refusals', () => server.asked.filter(({ status }) => status === 401).length >= 3)
    t.ok(renewed >= 2)
    t.same(f.names, ['a', 'b'], 'what is known stays')
    token = 'new'
    await f.holds('a', 'b', 'c')
    t.equal(server.askedFor('list').length, 1)
    t.match(f.log, [/HTTP 401: Unauthorized/, /followed again/])
    t.notMatch(f.log.join(), /old|Bearer/, 'no token in the log')
  } finally {
    await undo.all()
  }
})

t.test(
  'while nothing listens the index stays, and one line says why',
  Following.test({}, ab, async (t, f) => {
    await f.watching()
    await f.server.stop()
    await until('many attempts', () => f.waits.length >= 8)
    t.same(f.waits.slice(0, 8), [1500, 3000, 6000, 12_000, 22_500, 22_500, 22_500, 22_500])
    t.same(f.names, ['a', 'b'])
    t.equal(f.told.at(-1), 'pods disconnected')
    t.match(f.log, [
      /^warn cannot watch pods at http:\/\/127.0.0.1:\d+: connection refused \(is the API server up, and reachable from here\?\)$/,
    ])
    f.server.put(pod({ name: 'c' }))
    await f.server.restart()
    await f.holds('a', 'b', 'c')
    t.equal(f.server.askedFor('list').length, 1)
    t.match(f.log, [/refused/, /^info/])
  }),
)

t.test(
  'a server that comes back elsewhere with lower versions is listed as it is stored',
  Following.test({ timing: { watchSilenceMs: 400 } }, ab, async (t, f) => {
    await f.watching()
    const before = Number(f.server.version)
    f.server.remove(pod({ name: 'a' }))
    await f.holds('b')
    await f.server.stop()
    f.server.put(pod({ name: 'c' }))
    await f.server.restart({ port: 0, firstVersion: 5 })
    // Its watches from a version that is still to come are silent.
    await f.holds('b', 'c')
    await f.watching()
    t.ok(Number(f.server.version) < before)
    t.same(
      f.server.askedFor('list').map(({ query }) => query.resourceVersion),
      ['0', '1003', undefined],
    )
    f.server.put(pod({ name: 'd' }))
    await f.holds('b', 'c', 'd')
  }),
)

t.test(
  'versions that run backwards within a watch lead to a list as it is stored',
  Following.test({}, ab, async (t, f) => {
    await f.watching()
    f.server.bookmark('pods', 17)
    await until('the list', () => f.server.askedFor('list').length === 2)
    t.equal(f.server.askedFor('list').at(-1)?.query.resourceVersion, undefined)
    await f.watching()
    t.same(f.names, ['a', 'b'])
  }),
)

t.test(
  'garbage, half events and objects without names are counted and passed over',
  Following.test({}, ab, async (t, f) => {
    await f.watching()
    const odd = pod({ name: 'odd' }) as { metadata?: unknown }
    delete odd.metadata
    f.server.say('<html>what?</html>\n{"type":"ADDED","object":{"met\n\n{"type":"NEVER","object":{}}\n')
    f.server.say(`${JSON.stringify({ type: 'ADDED', object: odd })}\n{"type":"MODIFIED"}\n{"type":"DELETED","object":{"metadata":{}}}\n`)
    f.server.say(`{"type":"ADDED","object":"${'x'.repeat(5 << 20)}"}\n`)
    f.server.put(pod({ name: 'c' }))
    await f.holds('a', 'b', 'c')
    t.same(f.told.slice(2), [
      'pods skipped garbage',
      'pods skipped garbage',
      'pods skipped garbage',
      'pods skipped malformed',
      'pods skipped malformed',
      'pods skipped malformed',
      'pods skipped too_large',
    ])
    t.equal(f.log.length, 3, 'a line for each kind')
    t.equal(f.server.asked.length, 2)
  }),
)

t.test(
  'a list with odd items brings the others',
  Following.test(
    {},
    (server) => {
      const items = [
        JSON.stringify(pod({ name: 'a' })),
        '{}',
        'null',
        '5',
        `{"x":"${'x'.repeat(5 << 20)}"}`,
        '{"a":b}',
        JSON.stringify(pod({ name: 'z' })),
      ]
      server.plan({ verb: 'list' }, { kind: 'body', body: `{"kind":"PodList","metadata":{"resourceVersion":"1000"},"items":[${items}]}` })
    },
    async (t, f) => {
      await f.holds('a', 'z')
      await f.watching()
      t.same(f.told.filter((each) => each.includes('skipped')).sort(), [
        'pods skipped garbage',
        'pods skipped malformed',
        'pods skipped malformed',
        'pods skipped malformed',
        'pods skipped too_large',
      ])
    },
  ),
)

t.test(
  'a list that is none, or cut off, takes nothing away',
  Following.test({}, ab, async (t, f) => {
    await f.watching()
    f.server.plan({ verb: 'list' }, { kind: 'cut', afterBytes: 6000 })
    f.server.plan({ verb: 'list' }, { kind: 'body', body: '<html>Bad gateway</html>' })
    f.server.plan({ verb: 'list' }, { kind: 'body', body: '{"kind":"PodList","metadata":{"resourceVersion":"9"},"items":[{"metadata"' })
    f.server.plan({ verb: 'list' }, { kind: 'body', body: '{"kind":"Status","metadata":{}}' })
    f.server.plan({ verb: 'list' }, { kind: 'body', body: '' })
    f.server.remove(pod({ name: 'a' }))
    f.server.say('{"type":"ERROR"}\n')
    await until('five lists and a good one', () => f.server.askedFor('list').length === 7)
    t.same(f.names, ['b'])
    await f.watching()
    t.same(f.names, ['b'])
    t.same(
      f.index.calls.filter((call) => call.startsWith('list')),
      ['listing', 'listed', ...Array.from({ length: 6 }, () => 'listing'), 'listed'],
    )
    t.match(f.log.join('\n'), /the answer is no list of Kubernetes/)
  }),
)

t.test(
  'a list that comes drop by drop is taken, one that stops is given up',
  Following.test(
    { timing: { listSilenceMs: 1000 } },
    (server) => {
      ab(server)
      server.plan({ verb: 'list' }, { kind: 'hang' })
      server.plan({ verb: 'list' }, { kind: 'drip', bytes: 500, everyMs: 60 })
    },
    async (t, f) => {
      await f.watching()
      t.same(f.names, ['a', 'b'])
      t.equal(f.server.askedFor('list').length, 2)
      t.match(f.log, [/cannot list pods at \S+: the server says nothing any more/, /again/])
    },
  ),
)

t.test('only in the cluster the start waits for up to two seconds', async (t) => {
  for (const inCluster of [true, false]) {
    const undo = new Undo()
    try {
      const server = await ApiServer.start(undo)
      const f = new Following(server, { cluster: openCluster(server, undefined, inCluster) })
      undo.add({ gently: () => f.close(), atOnce: () => undefined })
      await f.watching()
      t.same(f.waits, inCluster ? [1000] : [])
    } finally {
      await undo.all()
    }
  }
})

t.test('it ends at once, whatever it is doing', async (t) => {
  const waits = { list: { kind: 'hang' }, watch: undefined, backoff: { kind: 'status', status: 500 } } as const
  for (const [state, fault] of Object.entries(waits)) {
    const undo = new Undo()
    try {
      const server = await ApiServer.start(undo)
      if (fault !== undefined) server.plan({ verb: 'list' }, fault, Number.POSITIVE_INFINITY)
      let asleep = false
      const timing = {
        sleep: (_: number, signal: AbortSignal) => {
          asleep = true
          return sleep(60_000, undefined, { signal })
        },
      }
      const f = new Following(server, { timing })
      if (state === 'watch') await f.watching()
      else await until(state, () => (state === 'list' ? server.asked.length === 1 : asleep))
      await within(f.close(), `the end of a ${state}`, 2000)
      t.equal(f.told.at(-1), 'pods disconnected', state)
      await until('its connections to be gone', () => server.connections === 0)
      const asked = server.asked.length
      await sleep(20)
      t.equal(server.asked.length, asked, 'and nothing more is asked')
    } finally {
      await undo.all()
    }
  }
})
