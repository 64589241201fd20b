// HTTP/1.1 by undici, of which only these parts are loaded unless there is a proxy: all of it takes 13 MiB more, and its version is pinned
// in package.json. Knows connections; nothing of what is asked.
import type { Dispatcher } from 'undici'
import request from 'undici/lib/api/api-request.js'
import Agent from 'undici/lib/dispatcher/agent.js'
import type { Tls } from './access.ts'

const CONNECT_MS = 10_000
/** Some load balancers forget a connection after a minute without a packet. */
const KEEP_ALIVE_MS = 30_000

/** Who waits knows better than any timeout in here what is too long. */
export async function openDispatcher(tls: Tls, proxy: string | undefined): Promise<Dispatcher> {
  const connect = { ...tls, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_MS, timeout: CONNECT_MS }
  const common = { allowH2: false, bodyTimeout: 0, headersTimeout: 0 }
  if (proxy === undefined) return new Agent({ ...common, connect })
  const { ProxyAgent } = await import('undici')
  return new ProxyAgent({ ...common, uri: proxy, requestTls: connect })
}

export function ask(dispatcher: Dispatcher, options: Dispatcher.RequestOptions): Promise<Dispatcher.ResponseData> {
  return request.call(dispatcher, options)
}
