import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { statSync } from 'node:fs'
import { type AddressInfo, connect, createServer, type Server } from 'node:net'
import t from 'tap'
import { formatAddress, parsePrefix } from '../../src/address.ts'
import { type DatapathOptions, SocketDatapath } from '../../src/kernel/socket-datapath.ts'
import type { Flow, FlowCounts } from '../../src/model.ts'
import { type Collecting, collecting } from '../harness/drains.ts'

const CGROUP_ROOT = ['/sys/fs/cgroup/unified', '/sys/fs/cgroup'].find((path) => statSync(path, { throwIfNoEntry: false })?.ino === 1) ?? ''
const OPTIONS: DatapathOptions = { cgroupRoot: CGROUP_ROOT, flowEntries: 4096, sockets: 65536 }

/** Everything about one server port since the last call. */
async function flowsOf({ collect }: Collecting, port: number): Promise<Flow[]> {
  return (await collect()).filter(({ key }) => key.port === port)
}

const countsOf = (flows: readonly Flow[], role: string): FlowCounts | undefined => flows.find(({ key }) => key.role === role)?.counts

async function listen(host: string, answer: string): Promise<Server> {
  const server = createServer((socket) => socket.resume().on('end', () => socket.end(answer)))
  server.listen(0, host)
  await once(server, 'listening')
  return server
}

async function exchange(host: string, port: number, request: string): Promise<number> {
  const socket = connect(port, host)
  let received = 0
  socket.on('data', (data) => {
    received += data.length
  })
  socket.end(request)
  await once(socket, 'close')
  return received
}

/** Runs a command in a network namespace of its own whose every route leads back into it. */
function inNamespace(t: { teardown(undo: () => unknown): unknown }, command: readonly string[]): void {
  const name = `o8-datapath-${process.pid}`
  execFileSync('ip', ['netns', 'add', name])
  t.teardown(() => execFileSync('ip', ['netns', 'del', name]))
  execFileSync('ip', ['-n', name, 'link', 'set', 'lo', 'up'])
  execFileSync('ip', ['-n', name, 'route', 'add', 'default', 'dev', 'lo'])
  execFileSync('ip', ['netns', 'exec', name, ...command])
}

const portOf = (server: Server): number => (server.address() as AddressInfo).port

t.test('bytes at both ends are what was written and read, each connection opened and closed once', async (t) => {
  await using datapath = await SocketDatapath.start(OPTIONS)
  const collector = collecting(datapath)
  for (const [host, own] of [
    ['127.0.0.1', '127.0.0.1'],
    ['::1', '::1'],
    ['::ffff:127.0.0.1', '127.0.0.1'],
  ] as const) {
    const server = await listen(host.startsWith('::ffff') ? '::' : host, 'a'.repeat(70_001))
    const port = portOf(server)
    for (let i = 0; i < 3; i++) t.equal(await exchange(host, port, 'q'.repeat(1000 + i)), 70_001)
    server.close()
    await once(server, 'close')
    const flows = await flowsOf(collector, port)
    t.match(countsOf(flows, 'client'), { sentBytes: 3003, receivedBytes: 210_003, opened: 3, closed: 3, adopted: 0 }, `${host} client`)
    t.match(countsOf(flows, 'server'), { sentBytes: 210_003, receivedBytes: 3003, opened: 3, closed: 3, adopted: 0 }, `${host} server`)
    t.ok(
      flows.every(({ key }) => key.peer === 'loopback' && key.protocol === 6),
      own,
    )
  }
})

t.test('an open connection is counted at each walk, and only what is new', async (t) => {
  await using datapath = await SocketDatapath.start(OPTIONS)
  const collector = collecting(datapath)
  const server = await listen('127.0.0.1', 'bye')
  const socket = connect(portOf(server), '127.0.0.1')
  await once(socket, 'connect')
  await new Promise((resolve) => socket.write('x'.repeat(500), resolve))
  t.match(countsOf(await flowsOf(collector, portOf(server)), 'client'), { sentBytes: 500, opened: 1, closed: 0 })
  t.same(await flowsOf(collector, portOf(server)), [], 'nothing moved')
  await new Promise((resolve) => socket.write('x'.repeat(20), resolve))
  t.match(countsOf(await flowsOf(collector, portOf(server)), 'client'), { sentBytes: 20, opened: 0, closed: 0 })
  socket.resume().end()
  await once(socket, 'close')
  const port = portOf(server)
  server.close()
  await once(server, 'close')
  t.match(countsOf(await flowsOf(collector, port), 'client'), { sentBytes: 0, receivedBytes: 3, closed: 1 })
})

t.test('a connection that was there before counts from its adoption on, with the right role at both ends', async (t) => {
  const server = createServer((socket) => socket.on('data', () => socket.write('answer')))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const socket = connect(portOf(server), '127.0.0.1')
  socket.write('before')
  await once(socket, 'data')
  {
    await using datapath = await SocketDatapath.start(OPTIONS)
    const collector = collecting(datapath)
    socket.write('after!!')
    await once(socket, 'data')
    const flows = await flowsOf(collector, portOf(server))
    t.match(countsOf(flows, 'client'), { sentBytes: 7, receivedBytes: 6, opened: 0, adopted: 1 })
    t.match(countsOf(flows, 'server'), { sentBytes: 6, receivedBytes: 7, opened: 0, adopted: 1 })
  }
  socket.destroy()
  server.close()
  await once(server, 'close')
})

t.test('sockets beyond the limit are counted as such and leave room when they close', async (t) => {
  await using datapath = await SocketDatapath.start({ ...OPTIONS, sockets: 1 })
  const collector = collecting(datapath)
  const before = datapath.totals()
  const server = await listen('127.0.0.1', 'x')
  for (let i = 0; i < 5; i++) await exchange('127.0.0.1', portOf(server), 'y')
  await flowsOf(collector, portOf(server))
  const after = datapath.totals()
  t.ok(after.untrackedLimit - before.untrackedLimit >= 5, `${after.untrackedLimit - before.untrackedLimit} told`)
  t.equal(after.untrackedMemory, 0)
  server.close()
  await once(server, 'close')
})

t.test('storage goes with its socket', async (t) => {
  await using datapath = await SocketDatapath.start(OPTIONS)
  const server = createServer((socket) => socket.on('error', () => undefined))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const before = datapath.totals().tracked
  const sockets = Array.from({ length: 50 }, () => connect(portOf(server), '127.0.0.1'))
  await Promise.all(sockets.map((socket) => once(socket, 'connect')))
  t.ok(datapath.totals().tracked >= before + 50)
  for (const socket of sockets) socket.resetAndDestroy()
  await Promise.all(sockets.map((socket) => once(socket, 'close')))
  server.close()
  await once(server, 'close')
  t.ok(datapath.totals().tracked < before + 50)
})

t.test('a full flow map loses nothing: the rest is under the same cgroup as overflow', async (t) => {
  await using datapath = await SocketDatapath.start({ ...OPTIONS, flowEntries: 4 })
  const collector = collecting(datapath)
  const servers = await Promise.all(Array.from({ length: 20 }, () => listen('127.0.0.1', 'z'.repeat(100))))
  const ports = new Set(servers.map(portOf))
  for (const port of ports) await exchange('127.0.0.1', port, 'y'.repeat(10))
  for (const server of servers) server.close()
  let own = 0
  let overflow = 0
  for (const { key, counts } of await collector.collect()) {
    if (ports.has(key.port)) own += counts.sentBytes
    if (key.peer === 'overflow' && key.protocol === 6) {
      overflow += counts.sentBytes
      t.same([key.port, key.role, formatAddress(key.remote)], [0, 'unknown', '::'])
    }
  }
  t.ok(overflow > 0)
  t.ok(own + overflow >= 20 * 110, 'other traffic of this cgroup may be in the overflow too')
  t.ok(datapath.totals().overflowFlows > 0 && datapath.totals().overflowBytes > 0)
})

t.test('public addresses are folded, but for those in a learnt prefix or a named network', async (t) => {
  await using datapath = await SocketDatapath.start(OPTIONS)
  const collector = collecting(datapath)
  const rule = (text: string, network?: number) => {
    const prefix = parsePrefix(text)
    if (prefix === undefined) throw new Error(text)
    return network === undefined ? { prefix } : { prefix, network }
  }
  datapath.setPrefixes([rule('198.51.100.0/24', 5), rule('198.51.100.7/32'), rule('203.0.113.0/25', 9)])
  t.equal(datapath.prefixCount(), 3)
  datapath.setPrefixes([rule('198.51.100.0/24', 5), rule('198.51.100.7/32')])
  t.equal(datapath.prefixCount(), 2)

  const remotes = ['198.51.100.1', '198.51.100.7', '203.0.113.1', '10.255.254.253', '127.9.9.9']
  const send = `const s = require('node:dgram').createSocket('udp4'); let left = ${remotes.length};
    for (const to of ${JSON.stringify(remotes)}) s.send('hello', 9, to, (error) => { if (error) throw error; if (--left === 0) s.close() })`
  inNamespace(t, [process.execPath, '-e', send])
  const flows = await flowsOf(collector, 9)
  const seen = new Map(flows.map(({ key }) => [`${key.peer} ${key.network} ${formatAddress(key.remote)}`, key]))
  t.ok(seen.has('network 5 ::'))
  t.ok(seen.has('address 0 198.51.100.7'))
  t.ok(seen.has('external 0 ::'))
  t.ok(seen.has('address 0 10.255.254.253'))
  t.ok(seen.has('loopback 0 ::'))
})
