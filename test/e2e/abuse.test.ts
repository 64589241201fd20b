// Clients that mean ill, or are broken, against the built exporter: others are served meanwhile, and memory has an end.
import { readdirSync, readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { until } from '../harness/child.ts'
import type { Exporter } from '../harness/exporter.ts'
import { sum } from '../harness/exposition.ts'
import { onSite, type Site } from '../harness/site.ts'

const REQUEST = 'GET /metrics HTTP/1.1\r\nHost: x\r\nAccept-Encoding: identity\r\n\r\n'
/** Of those who say nothing, or half of it: ten seconds for headers, and five until somebody looks. */
const PATIENCE_MS = 25_000
/** Pages that are held back have 64 MiB; the rest is sockets, the snapshot, and what the allocator keeps. */
const MOST_GROWTH = 120e6
/** 3,900 lines are more, and more than the kernel's buffers swallow at once. */
const WHOLE_BYTES = 700_000

function dial(site: Site, { port }: Exporter): Socket {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  socket.on('error', () => undefined)
  const end = (): void => {
    socket.destroy()
  }
  site.undo.add({ gently: end, atOnce: end })
  return socket
}

async function dialled(site: Site, exporter: Exporter, count: number): Promise<Socket[]> {
  const sockets: Socket[] = []
  for (let i = 0; i < count; i++) {
    const socket = dial(site, exporter)
    await new Promise((resolve) => socket.once('connect', resolve))
    sockets.push(socket)
  }
  return sockets
}

function readToEnd(socket: Socket): Promise<string> {
  const parts: Buffer[] = []
  socket.on('data', (part: Buffer) => parts.push(part))
  return new Promise((resolve) => {
    const done = (): void => resolve(Buffer.concat(parts).toString('latin1'))
    socket.once('end', done)
    socket.once('close', done)
  })
}

const rssBytes = ({ pid }: Exporter): number => Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1]) * 1024
const openFiles = ({ pid }: Exporter): number => readdirSync(`/proc/${pid}/fd`).length

async function served(t: Test, exporter: Exporter): Promise<void> {
  for (const path of ['/metrics', '/healthz', '/']) t.equal((await exporter.get(path)).status, 200, path)
}

async function fill(site: Site, rows: number): Promise<void> {
  const agent = site.agent({ cgroup: site.cgroup('sender'), namespace: site.namespace('sender') })
  await agent.say('socket c 4 udp')
  await agent.each(...Array.from({ length: rows }, (_, index) => `sendto c 127.0.0.1 ${20_000 + index} 10`))
}

t.test(
  'slow clients, half-open ones, headers without end or over the limit, and pipelines: all go, and others are served',
  onSite(async (t, site) => {
    const exporter = await site.exporter()
    await served(t, exporter)
    const files = openFiles(exporter)
    const [silent, dripping, half] = [
      await dialled(site, exporter, 50),
      await dialled(site, exporter, 50),
      await dialled(site, exporter, 50),
    ]
    for (const socket of dripping) {
      socket.write('GET /metrics HTTP/1.1\r\nHost: x\r\nX-')
      const drip = setInterval(() => socket.write('a'), 200)
      socket.once('close', () => clearInterval(drip))
      const stop = (): void => clearInterval(drip)
      site.undo.add({ gently: stop, atOnce: stop })
    }
    // This end says that it has said all, in the middle of a header.
    for (const socket of half) socket.end('GET /metrics HTTP/1.1\r\nHost')
    const ends = [...silent, ...dripping, ...half].map(readToEnd)
    await served(t, exporter)

    for (const head of [
      `GET / HTTP/1.1\r\nHost: x\r\nX-Big: ${'a'.repeat(17_000)}\r\n\r\n`,
      `GET /${'a'.repeat(17_000)} HTTP/1.1\r\nHost: x\r\n\r\n`,
    ]) {
      const socket = dial(site, exporter)
      socket.write(head)
      t.match(await readToEnd(socket), /^HTTP\/1\.1 431 /)
    }
    const pipeline = dial(site, exporter)
    pipeline.write(REQUEST.repeat(1000))
    const statuses = [...(await readToEnd(pipeline)).matchAll(/^HTTP\/1\.1 (\d+)/gm)].map(([, status]) => status)
    t.equal(statuses.filter((status) => status === '200').length, 32, 'so many at once are answered')
    t.equal(statuses.at(-1), '503', 'then it ends')

    let said: readonly string[] | undefined
    Promise.all(ends).then((all) => {
      said = all
    })
    await until('all of them to be closed', () => said !== undefined, PATIENCE_MS)
    for (const text of new Set(said)) t.match(text, /^(HTTP\/1\.1 40[08] |$)/)
    for (const socket of [...silent, ...dripping, ...half]) socket.destroy()
    await until('their files to be closed', () => openFiles(exporter) <= files)
    await served(t, exporter)
    t.same(complaints(exporter), [])
  }),
)

t.test(
  '500 scrapes at once, read or not, and downloads broken off: bounded memory, and others are served',
  onSite(async (t, site) => {
    const exporter = await site.exporter({ env: { ORB8_SERIES_LIMIT: '4000' } })
    await fill(site, 1000)
    await until('the rows', async () => sum(await exporter.scrape(), 'orb8_series') > 3900)
    const { length } = (await exporter.get('/metrics')).body
    t.ok(length > WHOLE_BYTES, `${length} bytes a page`)
    const before = rssBytes(exporter)
    const files = openFiles(exporter)

    const idle = await dialled(site, exporter, 500)
    for (const socket of idle) {
      socket.pause()
      socket.write(REQUEST)
    }
    for (let i = 0; i < 3; i++) await served(t, exporter)
    t.ok(rssBytes(exporter) - before < MOST_GROWTH, `${rssBytes(exporter) - before} bytes more with 500 that do not read`)
    for (const [index, socket] of idle.entries()) index % 2 === 0 ? socket.resetAndDestroy() : socket.destroy()

    for (let round = 0; round < 2; round++) {
      const broken = await dialled(site, exporter, 50)
      for (const [index, socket] of broken.entries()) {
        let bytes = 0
        socket.on('data', (part) => {
          bytes += part.length
          if (bytes > index * 15_000) socket.destroy()
        })
        socket.write(REQUEST)
      }
      await Promise.all(broken.map((socket) => new Promise((resolve) => socket.once('close', resolve))))
      await served(t, exporter)
    }

    const readers = Array.from({ length: 500 }, async () => whole(site, exporter))
    const lengths = await Promise.all(readers)
    t.ok(
      lengths.every((bytes) => bytes > WHOLE_BYTES),
      'each of 500 that read has a whole page',
    )
    t.ok(rssBytes(exporter) - before < MOST_GROWTH, `${rssBytes(exporter) - before} bytes more after all`)
    await until('their files to be closed', () => openFiles(exporter) <= files)
    await served(t, exporter)
    t.same(complaints(exporter), [])
  }),
)

/** Bytes of a body that came to its end. */
async function whole(site: Site, exporter: Exporter): Promise<number> {
  const socket = dial(site, exporter)
  let bytes = 0
  let tail = ''
  socket.on('data', (part: Buffer) => {
    bytes += part.length
    tail = (tail + part.subarray(-5).toString('latin1')).slice(-5)
    if (tail === '0\r\n\r\n') socket.destroy()
  })
  socket.write(REQUEST)
  await new Promise((resolve) => socket.once('close', resolve))
  return tail === '0\r\n\r\n' ? bytes : 0
}

/** What a client does is no error of the exporter's. */
function complaints(exporter: Exporter): readonly string[] {
  return exporter.log.filter((line) => line.startsWith('{') && (JSON.parse(line) as { level: string }).level === 'error')
}
