// Clients that mean ill, or are broken, with real sockets: others are served, and memory has an end.
import type { Socket } from 'node:net'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import t, { type Test } from 'tap'
import { createRounds } from '../../src/publish/rounds.ts'
import { ask, dial, readToEnd, type Served, serve, until } from './serving.ts'
import { manyFlows } from './snapshots.ts'

/** So that what takes ten seconds and more in earnest is seen in half of one. */
const HASTY = { headersTimeout: 300, requestTimeout: 300, keepAliveTimeout: 300, connectionsCheckingInterval: 50 }
const REQUEST = 'GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n'

const dialled = async (t: Test, server: Served, count: number): Promise<Socket[]> => {
  const sockets: Socket[] = []
  for (let i = 0; i < count; i++) {
    const socket = dial(t, server)
    sockets.push(socket)
    await new Promise((resolve) => socket.once('connect', resolve))
  }
  return sockets
}

const served = async (t: Test, server: Served): Promise<void> => {
  for (const path of ['/metrics', '/healthz']) t.equal((await ask(server, path)).status, 200, path)
}

t.test('who says nothing, or headers without end, is closed in time; others are served meanwhile', async (t) => {
  const server = await serve(t, { limits: HASTY })
  const sockets = await dialled(t, server, 30)
  const ends = sockets.map((socket) => readToEnd(socket))
  sockets.slice(10, 20).forEach((socket) => {
    socket.write('GET /metrics HTTP/1.1\r\nHost: x\r\nX-')
    const drip = setInterval(() => socket.write('a'), 20)
    socket.once('close', () => clearInterval(drip))
  })
  for (const socket of sockets.slice(20)) socket.write('POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nabc')
  await served(t, server)
  const said = await Promise.all(ends)
  for (const text of said.slice(0, 20)) t.match(text, /^(HTTP\/1\.1 408 |$)/)
  for (const text of said.slice(20)) t.match(text, /^HTTP\/1\.1 405 /)
  await served(t, server)
})

t.test('headers over the limit are 431, a request line too, and too many are no harm', async (t) => {
  const server = await serve(t)
  for (const head of [
    `GET / HTTP/1.1\r\nHost: x\r\nX-Big: ${'a'.repeat(17_000)}\r\n\r\n`,
    `GET /${'a'.repeat(17_000)} HTTP/1.1\r\nHost: x\r\n\r\n`,
  ]) {
    const socket = dial(t, server)
    socket.write(head)
    t.match(await readToEnd(socket), /^HTTP\/1\.1 431 /)
  }
  const socket = dial(t, server)
  socket.write(`GET /healthz HTTP/1.1\r\nHost: x\r\n${'A: b\r\n'.repeat(500)}Connection: close\r\n\r\n`)
  // Node leaves out what is too many, or refuses it, by its version.
  t.match(await readToEnd(socket), /^HTTP\/1\.1 (200|431) /)
  await served(t, server)
})

t.test('pipelining has an end: 32 without an answer, then the connection goes', async (t) => {
  const started = Promise.withResolvers<void>()
  let scrapes = 0
  const server = await serve(t, {
    scrape: async () => {
      scrapes++
      await started.promise
      return manyFlows(1)
    },
  })
  const socket = dial(t, server)
  socket.write(REQUEST.repeat(5000))
  await until(() => scrapes >= 32)
  await new Promise((resolve) => setTimeout(resolve, 100))
  t.equal(scrapes, 32)
  t.equal((await ask(server, '/healthz')).status, 200)
  const text = readToEnd(socket)
  started.resolve()
  const statuses = [...(await text).matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => status)
  t.equal(statuses.filter((status) => status === '200').length, 32)
  t.equal(statuses[32], '503')
  await served(t, server)
})

t.test('pipelined scrapes whose client leaves do not keep their places', async (t) => {
  const release = Promise.withResolvers<void>()
  let held = true
  const server = await serve(t, {
    scrape: async () => {
      if (held) await release.promise
      return manyFlows(1)
    },
  })
  // 1,280 requests: more than may wait at once.
  for (let i = 0; i < 40; i++) {
    const [socket] = await dialled(t, server, 1)
    socket?.write(REQUEST.repeat(32))
    await new Promise((resolve) => setTimeout(resolve, 10))
    socket?.destroy()
  }
  held = false
  await served(t, server)
  release.resolve()
})

/** Bytes in use once nothing goes on any more: a pack that a client left may still run for a moment. What leaks does not go by waiting. */
const settled = async (collectGarbage: () => void): Promise<number> => {
  let least = Number.POSITIVE_INFINITY
  for (let quiet = 0; quiet < 5; ) {
    await new Promise((resolve) => setTimeout(resolve, 100))
    collectGarbage()
    const { heapUsed, arrayBuffers } = process.memoryUsage()
    const used = heapUsed + arrayBuffers
    quiet = used < least - 500_000 ? 0 : quiet + 1
    least = Math.min(least, used)
  }
  return least
}

t.test('downloads cut off at any point leave nothing behind', async (t) => {
  const rounds = createRounds(async () => manyFlows(500))
  const server = await serve(t, { scrape: () => rounds.join() })
  const collectGarbage = gc()
  const heaps: number[] = []
  for (let round = 0; round < 3; round++) {
    for (let batch = 0; batch < 4; batch++) {
      const sockets = await dialled(t, server, 25)
      for (const [index, socket] of sockets.entries()) {
        socket.write(REQUEST.slice(0, index % 5 === 0 ? 20 : undefined))
        let bytes = 0
        socket.on('data', (data) => {
          bytes += data.length
          if (bytes > index * 5000) index % 2 === 0 ? socket.resetAndDestroy() : socket.destroy()
        })
        setTimeout(() => socket.destroy(), 150)
      }
      await Promise.all(sockets.map((socket) => new Promise((resolve) => socket.once('close', resolve))))
    }
    await served(t, server)
    heaps.push(await settled(collectGarbage))
  }
  const [first = 0, , last = 0] = heaps
  t.comment(heaps.join(' '))
  t.ok(last - first < 8e6, `grown by ${last - first} bytes`)
})

t.test('500 scrapes at once that nobody reads: memory has an end, and others are served', async (t) => {
  const rounds = createRounds(async () => manyFlows(2000))
  // One process does the work of both ends: on a busy machine a request may take longer to be read than a server of its own would wait.
  const server = await serve(t, { scrape: () => rounds.join(), limits: { headersTimeout: 60_000, requestTimeout: 60_000 } })
  const collectGarbage = gc()
  collectGarbage()
  const before = process.memoryUsage()
  const sockets = await dialled(t, server, 500)
  for (const socket of sockets) {
    socket.pause()
    socket.write(REQUEST)
  }
  for (let i = 0; i < 3; i++) await served(t, server)
  collectGarbage()
  const now = process.memoryUsage()
  const grown = now.heapUsed + now.arrayBuffers - before.heapUsed - before.arrayBuffers
  t.comment(`${grown} bytes more for 500 downloads`)
  // 64 MiB of pages and snapshots, and what the sockets of both ends take.
  t.ok(grown < 120e6, `${grown} bytes`)
  for (const socket of sockets) socket.destroy()
  await served(t, server)
})

function gc(): () => void {
  setFlagsFromString('--expose-gc')
  return runInNewContext('gc') as () => void
}
