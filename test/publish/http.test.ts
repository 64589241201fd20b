import { createServer as createNetServer, type Socket } from 'node:net'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import t from 'tap'
import { Orb8Error } from '../../src/errors.ts'
import { ask, dial, readToEnd, serve, until } from './serving.ts'

t.test('every path answers what the contract says', async (t) => {
  const server = await serve(t)
  const table: readonly [string, string, number, string][] = [
    ['GET', '/metrics', 200, 'text/plain; version=0.0.4; charset=utf-8'],
    ['GET', '/metrics?x=1#y', 200, 'text/plain; version=0.0.4; charset=utf-8'],
    ['GET', 'http://node-a:9091/metrics', 200, 'text/plain; version=0.0.4; charset=utf-8'],
    ['GET', '/healthz', 200, 'text/plain; charset=utf-8'],
    ['GET', '/readyz', 200, 'text/plain; charset=utf-8'],
    ['GET', '/', 200, 'text/html; charset=utf-8'],
    ['GET', '/?x', 200, 'text/html; charset=utf-8'],
    ['GET', '/metrics/', 404, 'text/plain; charset=utf-8'],
    ['GET', '//metrics', 404, 'text/plain; charset=utf-8'],
    ['GET', '/METRICS', 404, 'text/plain; charset=utf-8'],
    ['GET', '/%6detrics', 404, 'text/plain; charset=utf-8'],
    ['GET', '/constructor', 404, 'text/plain; charset=utf-8'],
    ['GET', '/../etc/passwd', 404, 'text/plain; charset=utf-8'],
    ['POST', '/metrics', 405, 'text/plain; charset=utf-8'],
    ['DELETE', '/', 405, 'text/plain; charset=utf-8'],
    ['OPTIONS', '/healthz', 405, 'text/plain; charset=utf-8'],
    ['POST', '/nothing', 404, 'text/plain; charset=utf-8'],
  ]
  for (const [method, path, status, type] of table) {
    const answer = await ask(server, path, { method })
    t.equal(answer.status, status, `${method} ${path}`)
    t.equal(answer.headers['content-type'], type, `${method} ${path}`)
    t.equal(answer.headers.allow, status === 405 ? 'GET, HEAD' : undefined)
    t.equal(answer.headers['cache-control'], 'no-store')
    t.equal(answer.headers['x-content-type-options'], 'nosniff')
    t.ok(answer.body.length > 0)
  }
  t.equal((await ask(server, '/healthz')).body.toString(), 'ok\n')
})

t.test('HEAD answers as GET does, without a body', async (t) => {
  const server = await serve(t)
  for (const path of ['/metrics', '/healthz', '/readyz', '/', '/nothing']) {
    const [get, head] = [await ask(server, path), await ask(server, path, { method: 'HEAD' })]
    t.equal(head.status, get.status, path)
    t.equal(head.headers['content-type'], get.headers['content-type'])
    t.equal(head.headers['content-length'], get.headers['content-length'])
    t.equal(head.body.length, 0)
  }
})

t.test('health and readiness answer 503 with the reason', async (t) => {
  const server = await serve(t, {
    health: () => ({ ok: false, reason: 'collecting failed 3 times in a row: EPERM' }),
    ready: () => ({ ok: false, reason: 'no collection yet' }),
  })
  t.match(await ask(server, '/healthz'), { status: 503, body: Buffer.from('collecting failed 3 times in a row: EPERM\n') })
  t.match(await ask(server, '/readyz'), { status: 503, body: Buffer.from('no collection yet\n') })
})

t.test('the landing page carries a strict policy', async (t) => {
  const { headers, body } = await ask(await serve(t), '/')
  t.match(headers['content-security-policy'], /^default-src 'none'; style-src 'sha256-/)
  t.match(body.toString(), 'peer-2')
})

t.test('port 0 picks a port, an empty host takes every address', async (t) => {
  const server = await serve(t, { listen: [{ host: '', port: 0 }] })
  t.ok(server.port > 0)
  t.equal((await ask(server, '/healthz')).status, 200)
})

t.test('an address that cannot be had is one clear error', async (t) => {
  const taken = createNetServer().listen(0, '127.0.0.1')
  t.teardown(() => taken.close())
  await new Promise((resolve) => taken.once('listening', resolve))
  const address = taken.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const error = await serve(t, { listen: [{ host: '127.0.0.1', port }] }).catch((error: unknown) => error)
  t.ok(error instanceof Orb8Error)
  t.match(error, {
    message: `cannot listen on 127.0.0.1:${port}: EADDRINUSE (another process listens there: end it, or choose another address with ORB8_LISTEN)`,
    exitCode: 1,
  })
  await t.rejects(serve(t, { listen: [{ host: '203.0.113.1', port: 0 }] }), {
    message: /^cannot listen on 203\.0\.113\.1:0: EADDRNOTAVAIL /,
  })
  await t.rejects(serve(t, { listen: [{ host: '2001:db8::1', port: 0 }] }), { message: /^cannot listen on \[2001:db8::1\]:0: E/ })
})

t.test('pipelined requests are answered in order', async (t) => {
  const server = await serve(t)
  const socket = dial(t, server)
  const paths = ['/healthz', '/metrics', '/nothing', '/metrics', '/', '/metrics', '/readyz']
  const asked = paths.map((path) => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`)
  socket.write(`${asked.join('')}GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`)
  const text = await readToEnd(socket)
  const types = [...text.matchAll(/HTTP\/1\.1 (\d+)[\s\S]*?Content-Type: (text\/[a-z]+)/g)].map(([, status, type]) => `${status} ${type}`)
  const plain = '200 text/plain'
  t.same(types, [plain, plain, '404 text/plain', plain, '200 text/html', plain, plain, plain])
  t.equal(text.match(/# TYPE orb8_flow_bytes_total counter/g)?.length, 3)
})

t.test('closing lets an answer end, drops who is idle, and cuts who takes too long', async (t) => {
  const release = Promise.withResolvers<void>()
  const entered = Promise.withResolvers<void>()
  const server = await serve(t, {
    self: {
      families: async () => {
        entered.resolve()
        await release.promise
        return []
      },
    },
  })
  const idle = dial(t, server)
  idle.write('GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n')
  await new Promise((resolve) => idle.once('data', resolve))
  const idleGone = new Promise((resolve) => idle.once('close', resolve))
  const running = ask(server, '/metrics')
  await entered.promise
  const closed = server.close(60_000)
  await idleGone
  await t.rejects(ask(server, '/healthz'), { code: 'ECONNREFUSED' })
  release.resolve()
  t.equal((await running).status, 200)
  await closed
  await server.close()

  const begun = Promise.withResolvers<void>()
  const stuck = await serve(t, {
    scrape: () => {
      begun.resolve()
      return new Promise(() => undefined)
    },
  })
  const cut = t.rejects(ask(stuck, '/metrics'), { code: 'ECONNRESET' })
  await begun.promise
  await stuck.close(0)
  await cut
})

t.test('made-up requests neither crash the server nor make it grow', async (t) => {
  setFlagsFromString('--expose-gc')
  const collectGarbage: () => void = runInNewContext('gc')
  const server = await serve(t)
  let state = 42
  const random = (below: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
  const pick = <T>(of: readonly T[]): T => of[random(of.length)] as T
  const noise = (length: number): string => String.fromCharCode(...Array.from({ length }, () => random(256)))
  const words = [
    'gzip',
    '*',
    ';q=0',
    ';q=',
    ',',
    'text/plain',
    'application/openmetrics-text',
    'version=1.0.0',
    '"',
    '=',
    '-1',
    '1e99',
    'NaN',
    'chunked',
    '0',
    'close',
    'upgrade',
  ]
  const header = (): string =>
    `${pick(['Accept', 'Accept-Encoding', 'X-Prometheus-Scrape-Timeout-Seconds', 'Content-Length', 'Transfer-Encoding', 'Connection', 'Expect', 'Upgrade', 'Host', 'Range', `X${random(99)}`, noise(3)])}: ${Array.from({ length: random(6) }, () => pick(words)).join('')}\r\n`
  const path = (): string =>
    pick([
      '/metrics',
      '/',
      '/healthz',
      '/readyz',
      '*',
      '',
      `/${noise(random(30))}`,
      `/%${noise(2)}`,
      'http://x/metrics',
      `/${'a'.repeat(random(20_000))}`,
    ])
  const requestLike = (): string => {
    if (random(10) === 0) return noise(random(500))
    const method = pick(['GET', 'GET', 'GET', 'HEAD', 'POST', 'PUT', 'TRACE', 'CONNECT', 'OPTIONS', 'get', 'BREW', noise(3)])
    return `${method} ${path()} HTTP/${pick(['1.1', '1.1', '1.0', '2.0', '0.9', noise(2)])}\r\n${Array.from({ length: random(8) }, header).join('')}\r\n${random(5) === 0 ? noise(random(200)) : ''}`
  }
  let sent = 0
  const visit = async (): Promise<void> => {
    const socket = dial(t, server)
    const gone = new Promise((resolve) => socket.once('close', resolve))
    socket.resume()
    const requests = Array.from({ length: 1 + random(8) }, requestLike)
    sent += requests.length
    socket.write(Buffer.from(requests.join(''), 'latin1'))
    if (random(3) === 0) socket.destroySoon()
    else socket.end()
    if (random(4) === 0) setTimeout(() => socket.destroy(), random(5))
    // One that the server holds on to, since it waits for the rest of a body, is left by this end.
    const patience = setTimeout(() => socket.destroy(), 200)
    await gone
    clearTimeout(patience)
  }
  const heaps: number[] = []
  for (const goal of [3000, 10_000]) {
    const visitors = Array.from({ length: 25 }, async () => {
      while (sent < goal) await visit()
    })
    await Promise.all(visitors)
    await new Promise((resolve) => setTimeout(resolve, 100))
    collectGarbage()
    heaps.push(process.memoryUsage().heapUsed)
  }
  t.ok(sent >= 10_000)
  t.equal((await ask(server, '/healthz')).status, 200)
  t.equal((await ask(server, '/metrics')).status, 200)
  const [early = 0, late = 0] = heaps
  t.comment(`heap after 3,000: ${early}, after ${sent}: ${late}`)
  t.ok(late - early < 8e6, `grown by ${late - early} bytes`)
})

t.test('connections beyond the bound are dropped, those within go on', async (t) => {
  const server = await serve(t)
  const first = dial(t, server)
  await new Promise((resolve) => first.once('connect', resolve))
  const others: Socket[] = []
  let dropped = 0
  // A hundred at a time: more than its backlog at once, and the kernel makes some of them wait for seconds.
  for (let batch = 0; batch < 11; batch++) {
    const dialled = Array.from({ length: 100 }, () => dial(t, server).resume())
    for (const other of dialled) other.once('close', () => dropped++)
    await Promise.all(dialled.map((other) => new Promise((resolve) => other.once('connect', resolve).once('close', resolve))))
    others.push(...dialled)
  }
  await until(() => dropped >= 1100 - 1023)
  first.write('GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
  t.match(await readToEnd(first), /^HTTP\/1\.1 200 OK/)
  for (const other of others) other.destroy()
})
