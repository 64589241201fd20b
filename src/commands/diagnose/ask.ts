// Asks the exporter that runs on this host, over plain HTTP. Knows HTTP; nothing of what is answered.
import { get } from 'node:http'
import { createInterface } from 'node:readline'

export interface Address {
  /** Empty: every address of this host. */
  readonly host: string
  readonly port: number
}

export interface Reply {
  readonly status: number
  readonly lines: readonly string[]
}

/** Longer than any collection takes that is not stuck. */
const PATIENCE_MS = 8000
/** Some hundred are wanted; whatever else listens there may send what it likes. */
const MAX_LINES = 10_000

/** Where something that listens there is reached from this host. */
export function reachable({ host, port }: Address): Address {
  if (host === '' || host === '0.0.0.0') return { host: '127.0.0.1', port }
  return { host: host === '::' ? '::1' : host, port }
}

export const shown = ({ host, port }: Address): string => `${host.includes(':') ? `[${host}]` : host}:${port}`

/** The lines that `keep` wants, all of them where the answer is no 200. Rejects where no whole answer comes in time; the message is the error's code. */
export function ask({ host, port }: Address, path: string, keep: (line: string) => boolean = () => true): Promise<Reply> {
  const { promise, resolve, reject } = Promise.withResolvers<Reply>()
  const signal = AbortSignal.timeout(PATIENCE_MS)
  const fail = (error: NodeJS.ErrnoException): void =>
    reject(new Error(signal.aborted ? `no answer within ${PATIENCE_MS / 1000} s` : (error.code ?? error.message), { cause: error }))
  const headers = { accept: 'text/plain;version=0.0.4', 'accept-encoding': 'identity' }
  const request = get({ host, port, path, headers, agent: false, signal }, (response) => {
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
