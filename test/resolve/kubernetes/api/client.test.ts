import { getEventListeners } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import t, { type Test } from 'tap'
import type { Access, Cluster } from '../../../../src/resolve/kubernetes/api/access.ts'
import { ApiClient } from '../../../../src/resolve/kubernetes/api/client.ts'
import { InCluster } from '../../../../src/resolve/kubernetes/api/in-cluster.ts'
import { ApiServer, type ApiServerOptions } from '../../../harness/api-server.ts'
import { Authority } from '../../../harness/authority.ts'
import { until, within } from '../../../harness/child.ts'
import { Undo } from '../../../harness/undo.ts'

const SIGNAL = new AbortController().signal

interface Place {
  readonly undo: Undo
  readonly server: (options?: ApiServerOptions) => Promise<ApiServer>
  readonly client: (cluster: Cluster) => ApiClient
}

function place(body: (t: Test, place: Place) => Promise<void>): (t: Test) => Promise<void> {
  return async (t) => {
    const undo = new Undo()
    const client = (cluster: Cluster): ApiClient => {
      const client = new ApiClient(cluster, { userAgent: 'orb8-test/1' })
      undo.add({ gently: () => client.close(), atOnce: () => undefined })
      return client
    }
    try {
      await body(t, { undo, client, server: (options) => ApiServer.start(undo, options) })
    } finally {
      await undo.all()
    }
  }
}

const clusterOf = (access: () => Partial<Access> & { server: string }): Cluster => ({
  inCluster: false,
  access: async () => ({ headers: {}, tls: {}, ...access() }),
  renew: () => undefined,
})

function ask(client: ApiClient, query = 'limit=500', silenceMs = 10_000): Promise<AsyncGenerator<Buffer, void, undefined>> {
  return client.get({ deed: 'list pods', path: '/api/v1/pods', query: new URLSearchParams(query), silenceMs, signal: SIGNAL })
}

async function read(body: AsyncGenerator<Buffer, void, undefined>): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of body) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}

const fetched = async (client: ApiClient): Promise<string> => read(await ask(client))

t.test(
  'certificates are checked, and a new CA is taken as soon as it is there',
  place(async (t, { server, client }) => {
    const folder = t.testdir({ token: 'abc', 'ca.crt': '' })
    const [first, second] = [new Authority(folder, 'first'), new Authority(folder, 'second')]
    const api = await server({ certificate: first.server('one'), tokens: ['abc'] })
    const other = await server({ certificate: second.server('other'), tokens: ['abc'] })
    const trust = (ca: Authority): void => writeFileSync(join(folder, 'ca.crt'), ca.cert)
    let port = api.port
    const account = {
      inCluster: true,
      renew: () => undefined,
      access: () => new InCluster({ host: '127.0.0.1', port: `${port}` }, folder).access(),
    }
    const one = client(account)
    trust(second)
    await t.rejects(fetched(one), { message: /^cannot list pods at https:\/\/127.0.0.1:\d+: TLS: \w+ \(the CA of the service account/ })
    trust(first)
    t.match(await fetched(one), /PodList/)
    port = other.port
    await t.rejects(fetched(one), { message: /TLS: / })
    trust(second)
    t.match(await fetched(one), /PodList/, 'with the rotated CA')
  }),
)

t.test(
  'a server under another name is refused, unless that name is expected',
  place(async (t, { server, client }) => {
    const ca = new Authority(t.testdir({}))
    const api = await server({ certificate: ca.server('server', ['DNS:api.internal']) })
    await t.rejects(fetched(client(clusterOf(() => ({ server: api.url, tls: { ca: ca.cert } })))), {
      message: /the server's certificate is for another name \(dial a name in it, or set tls-server-name\)/,
    })
    t.match(await fetched(client(clusterOf(() => ({ server: api.url, tls: { ca: ca.cert, servername: 'api.internal' } })))), /PodList/)
    t.match(await fetched(client(clusterOf(() => ({ server: api.url, tls: { rejectUnauthorized: false } })))), /PodList/)
  }),
)

t.test(
  'a client shows its certificate, and a renewed one',
  place(async (t, { server, client }) => {
    const folder = t.testdir({})
    const [ca, stranger] = [new Authority(folder), new Authority(folder, 'stranger')]
    const api = await server({ certificate: ca.server('server'), clientCa: ca.cert })
    let mine = stranger.client('orb8')
    const one = client(clusterOf(() => ({ server: api.url, tls: { ca: ca.cert, ...mine } })))
    await t.rejects(fetched(one), { message: /HTTP 401/ })
    mine = ca.client('orb8')
    t.match(await fetched(one), /PodList/)
  }),
)

t.test(
  'a password, and a path before every other',
  place(async (t, { server, client }) => {
    const api = await server({ basic: 'me:pass', prefix: '/k8s/clusters/c-1' })
    const headers = { authorization: `Basic ${Buffer.from('me:pass').toString('base64')}` }
    t.match(await fetched(client(clusterOf(() => ({ server: api.url, headers })))), /PodList/)
    await t.rejects(fetched(client(clusterOf(() => ({ server: api.url })))), {
      message: /^cannot list pods at http:\/\/127.0.0.1:\d+: HTTP 401: Unauthorized/,
    })
    t.same(api.refused, [])
  }),
)

t.test(
  'by a proxy',
  place(async (t, { undo, server, client }) => {
    const ca = new Authority(t.testdir({}))
    const api = await server({ certificate: ca.server('server') })
    const through: string[] = []
    const sockets: Socket[] = []
    const proxy = createServer().on('connect', ({ url = '', headers }, socket: Socket) => {
      through.push(`${url} ${headers['proxy-authorization']}`)
      const onward = connect(api.port, '127.0.0.1', () => {
        socket.write('HTTP/1.1 200 OK\r\n\r\n')
        onward.pipe(socket).pipe(onward)
      })
      sockets.push(socket, onward)
      for (const end of [socket, onward]) end.on('error', () => undefined)
    })
    await new Promise<void>((done) => proxy.listen(0, '127.0.0.1', done))
    const close = (): void => {
      for (const socket of sockets) socket.destroy()
      proxy.close()
    }
    undo.add({ gently: close, atOnce: close })
    const { port } = proxy.address() as { port: number }
    const one = client(clusterOf(() => ({ server: api.url, tls: { ca: ca.cert }, proxy: `http://me:pass@127.0.0.1:${port}` })))
    t.match(await fetched(one), /PodList/)
    t.same(through, [`127.0.0.1:${api.port} Basic ${Buffer.from('me:pass').toString('base64')}`])
    await one.close()
  }),
)

t.test(
  'connections are kept for the next request',
  place(async (t, { server, client }) => {
    const api = await server()
    const one = client(clusterOf(() => ({ server: api.url })))
    for (let i = 0; i < 8; i++) {
      await fetched(one)
      await setImmediate()
    }
    t.equal(api.connections, 1)
    t.equal(api.asked.length, 8)
  }),
)

t.test(
  'what was read leaves nothing on its signal',
  place(async (t, { server, client }) => {
    const api = await server()
    const one = client(clusterOf(() => ({ server: api.url })))
    for (let i = 0; i < 3; i++) await fetched(one)
    api.plan({}, { kind: 'status', status: 500 })
    await t.rejects(fetched(one), { message: /HTTP 500/ })
    t.equal(getEventListeners(SIGNAL, 'abort').length, 0)
  }),
)

t.test(
  'what is read no further is let go',
  place(async (t, { server, client }) => {
    const api = await server()
    const one = client(clusterOf(() => ({ server: api.url })))
    const body = await ask(one, 'watch=true&resourceVersion=1000')
    api.bookmark()
    for await (const chunk of body) {
      t.match(chunk.toString(), /BOOKMARK/)
      break
    }
    await until('the end of the watch', () => api.watching() === 0)
  }),
)

t.test(
  'an answer that is no HTTP, and one that stops',
  place(async (t, { server, client }) => {
    const ca = new Authority(t.testdir({}))
    const api = await server({ certificate: ca.server('server') })
    await t.rejects(fetched(client(clusterOf(() => ({ server: api.url.replace('https', 'http') })))), {
      message: /^cannot list pods at http:/,
    })
    const slow = await server()
    slow.plan({}, { kind: 'hang' })
    await t.rejects(ask(client(clusterOf(() => ({ server: slow.url }))), '', 50), { message: /the server says nothing any more/ })
    slow.plan({}, { kind: 'cut', afterBytes: 10 })
    await t.rejects(fetched(client(clusterOf(() => ({ server: slow.url })))), { message: /the connection was cut/ })
  }),
)

t.test(
  'closing cuts who reads, and who waits for credentials is cut by its signal',
  place(async (t, { server, client }) => {
    const api = await server()
    const one = client(clusterOf(() => ({ server: api.url })))
    const reading = read(await ask(one, 'watch=true&resourceVersion=1000'))
    await one.close()
    await t.rejects(within(reading, 'the end of the watch', 2000), { name: 'ApiFailure' })
    await until('no connection', () => api.connections === 0)
    await t.rejects(fetched(one), { message: /closed/ })
    const never = client({ inCluster: false, access: () => new Promise(() => undefined), renew: () => undefined })
    const end = new AbortController()
    const question = { deed: 'list pods', path: '/x', query: new URLSearchParams(), silenceMs: 60_000, signal: end.signal }
    const waiting = never.get(question)
    end.abort()
    await t.rejects(within(waiting, 'the end', 2000), { name: 'ApiFailure' })
  }),
)
