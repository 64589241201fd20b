// Something that listens on loopback for one test. Knows nothing of exporters.
import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import { type AddressInfo, createServer as createTcpServer, type Server } from 'node:net'
import type { Test } from 'tap'
import type { Port } from '../../../src/commands/diagnose/ask.ts'

async function listen(t: Test, server: Server, host: string): Promise<Port> {
  server.listen(0, host)
  await once(server, 'listening')
  t.teardown(() => server.close())
  return { host, port: (server.address() as AddressInfo).port }
}

export function http(t: Test, answer: RequestListener, host = '127.0.0.1'): Promise<Port> {
  return listen(t, createServer(answer), host)
}

/** Answers what it first hears with these bytes, and hangs up. */
export function tcp(t: Test, bytes: string): Promise<Port> {
  return listen(
    t,
    createTcpServer((socket) => socket.on('error', () => undefined).once('data', () => socket.end(bytes))),
    '127.0.0.1',
  )
}

/** One where nobody listens. */
export async function nobody(): Promise<Port> {
  const server = createTcpServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return { host: '127.0.0.1', port }
}
