// Asks the exporter that runs on this host, over plain HTTP, also at a unix socket. Knows HTTP; nothing of what is answered.
import { get } from 'node:http'
import { createInterface } from 'node:readline'

export interface Port {
  /** Empty: every address of this host. */
  readonly host: string
  readonly port: number
}

/** `path`: a unix socket. */
export type Address = Port | { readonly path: string }

export interface Reply {
  readonly status: number
  readonly lines: readonly string[]
}

/** Longer than any collection takes that is not stuck. */
const PATIENCE_MS = 8000
/** Some hundred are wanted; whatever else listens there may send what it likes. */
const MAX_LINES = 10_000

/** Where something that listens there is reached from this host. */
export function reachable(address: Address): Address {
  if ('path' in address) return address
  const { host, port } = address
  if (host === '' || host === '0.0.0.0') return { host: '127.0.0.1', port }
  return { host: host === '::' ? '::1' : host, port }
}

export function shown(address: Address): string {
  if ('path' in address) return `unix:${address.path}`
  const { host, port } = address
  return `${host.includes(':') ? `[${host}]` : host}:${port}`
}

/** The lines that `keep` wants, all of them where the answer is no 200. Rejects where no whole answer comes in time; the message is the error's code. */
export function ask(address: Address, path: string, keep: (line: string) => boolean = () => true): Promise<Reply> {
  const { promise, resolve, reject } = Promise.withResolvers<Reply>()
  const signal = AbortSignal.timeout(PATIENCE_MS)
  const fail = (error: NodeJS.ErrnoException): void =>
    reject(new Error(signal.aborted ? `no answer within ${PATIENCE_MS / 1000} s` : (error.code ?? error.message), { cause: error }))
  const headers = { accept: 'text/plain;version=0.0.4', 'accept-encoding': 'identity' }
  const place = 'path' in address ? { socketPath: address.path } : address
  const request = get({ ...place, path, headers, agent: false, signal }, (response) => {
    const lines: string[] = []
    const reader = createInterface({ input: response, crlfDelay: Number.POSITIVE_INFINITY })
    response.on('error', fail)
    reader.on('error', fail)
    reader.on('line', (line) => {
      if (lines.length < MAX_LINES && (response.statusCode !== 200 || keep(line))) lines.push(line)
    })
    reader.once('close', () => resolve({ status: response.statusCode ?? 0, lines }))
  })
  request.on('error', fail)
  return promise
}
