// The image's HEALTHCHECK: ends with 0 where the exporter answers, by the environment that the exporter itself has. Asks /healthz, or, where
// a web configuration may want TLS or a password, only whether somebody listens.
import { connect } from 'node:net'

const PATIENCE_MS = 8000

/** Of the first address: a host that means every address is asked here. */
export function target(listen: string): { readonly path: string } | { readonly host: string; readonly port: number } {
  const first = listen.split(',')[0]?.trim() ?? ''
  if (first.startsWith('unix:')) return { path: first.slice('unix:'.length) }
  const at = first.lastIndexOf(':')
  const host = first.slice(0, at).replaceAll(/^\[|\]$/g, '')
  return { host: ['', '0.0.0.0', '::'].includes(host) ? 'localhost' : host, port: Number(first.slice(at + 1)) }
}

function end(problem?: string): never {
  if (problem !== undefined) console.error(problem)
  process.exit(problem === undefined ? 0 : 1)
}

if (import.meta.main) {
  const { ORB8_LISTEN: listen = ':9091', ORB8_WEB_CONFIG_FILE: webConfig = '' } = process.env
  const socket = connect(target(listen || ':9091'))
  socket.setTimeout(PATIENCE_MS, () => end('no answer'))
  socket.on('error', (error) => end(error.message))
  if (webConfig === '') {
    let answer = ''
    socket.on('data', (part) => {
      answer += part
      const status = /^HTTP\/1\.1 (\d+)/.exec(answer)?.[1]
      if (status !== undefined) end(status === '200' ? undefined : answer.split('\r\n\r\n')[1])
    })
    socket.on('end', () => end('no answer'))
    socket.write('GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
  } else socket.on('connect', () => end())
}
