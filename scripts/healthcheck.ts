// The image's HEALTHCHECK: ends with 0 where the exporter answers, by the environment that the exporter itself has. Asks /healthz, or, where
// a web configuration may want TLS or a password, only whether somebody listens.
import { get } from 'node:http'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'

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
  const { path, ...address } = { path: undefined, ...target(listen || ':9091') }
  setTimeout(() => end('no answer'), PATIENCE_MS)
  if (webConfig === '')
    get({ ...address, socketPath: path, path: '/healthz', agent: false }, async (response) => {
      const body = await text(response)
      end(response.statusCode === 200 ? undefined : body)
    }).on('error', (error) => end(error.message))
  else
    connect(path === undefined ? (address as { port: number }) : { path })
      .on('connect', () => end())
      .on('error', (error) => end(error.message))
}
