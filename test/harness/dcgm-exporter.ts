// A dcgm-exporter as its HTTP server is: texts in the forms that its releases write, and whatever else a test makes of it.
import { readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import type { Undo } from './undo.ts'

const TEXTS = join(import.meta.dirname, '..', 'dcgm')

export function dcgmText(name: string): string {
  return readFileSync(join(TEXTS, `${name}.txt`), 'utf8')
}

export type Respond = (request: IncomingMessage, response: ServerResponse) => void

export class DcgmExporter {
  readonly requests: IncomingMessage[] = []
  /** In place of the text. */
  respond: Respond | undefined
  text: string
  readonly #server: Server
  readonly #scheme: string

  private constructor(server: Server, scheme: string, text: string) {
    this.#server = server
    this.#scheme = scheme
    this.text = text
  }

  /** `tls`: PEM of a key and a certificate. */
  static async start(undo: Undo, text: string, tls?: { readonly key: string; readonly cert: string }): Promise<DcgmExporter> {
    const handle: RequestListener = (request, response) => exporter.#handle(request, response)
    const server = tls === undefined ? createServer(handle) : createTlsServer(tls, handle)
    const exporter = new DcgmExporter(server, tls === undefined ? 'http' : 'https', text)
    undo.add({ gently: () => exporter.stop(), atOnce: () => void exporter.stop() })
    await exporter.listen(0)
    return exporter
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  get url(): string {
    return `${this.#scheme}://127.0.0.1:${this.port}/metrics`
  }

  async listen(port: number): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(port, '127.0.0.1', resolve))
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise<void>((resolve) => this.#server.close(() => resolve()))
  }

  #handle(request: IncomingMessage, response: ServerResponse): void {
    this.requests.push(request)
    if (this.respond !== undefined) {
      this.respond(request, response)
      return
    }
    if (request.url !== '/metrics') {
      response.writeHead(404).end()
      return
    }
    const gzip = /\bgzip\b/.test(String(request.headers['accept-encoding']))
    response.setHeader('content-type', 'text/plain; version=0.0.4; charset=utf-8; escaping=underscores')
    if (gzip) response.setHeader('content-encoding', 'gzip')
    response.end(gzip ? gzipSync(this.text) : this.text)
  }
}
