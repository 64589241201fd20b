// TCP, UDP and ping sockets for the emulated machine: each call moves as many bytes as it says. Knows nothing of what is counted.
import { createSocket, type RemoteInfo, type Socket as UdpSocket } from 'node:dgram'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import koffi from 'koffi'

/** Emulated, everything takes some fifty times longer. */
const PATIENCE_MS = 120_000

export async function until(what: string, done: () => Promise<boolean>, patienceMs = PATIENCE_MS): Promise<void> {
  for (const end = performance.now() + patienceMs; !(await done()); await sleep(100)) {
    if (performance.now() > end) throw new Error(`waited too long for ${what}`)
  }
}

export async function listen(host: string): Promise<{ server: Server; port: number }> {
  const server = createServer({ allowHalfOpen: true })
  server.listen(0, host)
  await once(server, 'listening')
  return { server, port: (server.address() as AddressInfo).port }
}

export interface Connection {
  readonly client: Socket
  readonly server: Socket
}

export async function open({ server, port }: { server: Server; port: number }, host: string): Promise<Connection> {
  const accepted = once(server, 'connection') as Promise<[Socket]>
  const client = connect({ port, host, allowHalfOpen: true })
  await once(client, 'connect')
  return { client, server: (await accepted)[0] }
}

/** Resolves when the other end has read it all. */
export async function send(from: Socket, to: Socket, bytes: number): Promise<void> {
  const wanted = to.bytesRead + bytes
  to.resume()
  from.write(Buffer.alloc(bytes, 7))
  while (to.bytesRead < wanted) await once(to, 'data')
}

export async function close(connection: Connection, how: 'client' | 'server' | 'reset'): Promise<void> {
  const { client, server } = connection
  const [first, second] = how === 'server' ? [server, client] : [client, server]
  const over = [once(client, 'close'), once(server, 'close')]
  second.on('error', () => undefined)
  client.resume()
  server.resume()
  if (how === 'reset') {
    first.resetAndDestroy()
  } else {
    first.end()
    await once(second, 'end')
    second.end()
  }
  await Promise.all(over.map((ended) => ended.catch(() => undefined)))
}

export async function bound(type: 'udp4' | 'udp6', host: string, port = 0): Promise<UdpSocket> {
  const socket = createSocket(type)
  socket.bind(port, host)
  await once(socket, 'listening')
  return socket
}

/** Datagrams one after the other, each echoed. */
export async function askUdp(client: UdpSocket, server: UdpSocket, sizes: readonly number[], to?: [number, string]): Promise<void> {
  for (const size of sizes) {
    const asked = once(server, 'message') as Promise<[Buffer, RemoteInfo]>
    if (to === undefined) client.send(Buffer.alloc(size))
    else client.send(Buffer.alloc(size), ...to)
    const [message, from] = await asked
    const answered = once(client, 'message')
    server.send(message, from.port, from.address)
    await answered
  }
}

const libc = koffi.load('libc.so.6')
const c = {
  socket: libc.func('int socket(int family, int type, int protocol)'),
  sendto: libc.func('int64_t sendto(int fd, const void *buf, size_t n, int flags, const void *to, uint32_t length)'),
  recv: libc.func('int64_t recv(int fd, void *buf, size_t n, int flags)'),
  close: libc.func('int close(int fd)'),
}
const SOCK_DGRAM = 2
const MSG_DONTWAIT = 64
const ICMP_HEADER = 8
const PING = {
  icmp: { family: 2, protocol: 1, type: 8, address: Buffer.from([2, 0, 0, 0, 127, 0, 0, 1, ...Array<number>(8).fill(0)]) },
  icmp6: { family: 10, protocol: 58, type: 128, address: Buffer.from([10, ...Array<number>(22).fill(0), 1, 0, 0, 0, 0]) },
} as const

/** Through a ping socket, which Node cannot make. */
export async function ping(protocol: keyof typeof PING, sizes: readonly number[]): Promise<void> {
  const { family, protocol: number, type, address } = PING[protocol]
  const fd = c.socket(family, SOCK_DGRAM, number) as number
  if (fd < 0) throw new Error(`no ping socket: ${koffi.errno()}`)
  for (const size of sizes) {
    const echo = Buffer.alloc(ICMP_HEADER + size)
    echo[0] = type
    if (Number(c.sendto(fd, echo, echo.length, 0, address, address.length)) < 0) throw new Error(`no echo sent: ${koffi.errno()}`)
    await until('the echo reply', async () => Number(c.recv(fd, echo, echo.length, MSG_DONTWAIT)) === ICMP_HEADER + size)
  }
  c.close(fd)
}
