// The watches that are open at the tests' API server. Knows the form of a watch's answer; nothing of what is kept.
import type { ServerResponse } from 'node:http'
import { type Change, lineOf, type Objects, type Selector, selectorOf } from './objects.ts'
import { type Asked, RESOURCES } from './requests.ts'

export interface Watch {
  readonly resource: string
  readonly response: ServerResponse
  readonly asked: Asked
  readonly from: number
}

export class Watches {
  /** Nothing is written while it is so. */
  frozen = false
  readonly #open = new Set<Watch>()

  of(resource: string | undefined): Watch[] {
    return [...this.#open].filter((watch) => (resource ?? watch.resource) === watch.resource)
  }

  begin(response: ServerResponse, asked: Asked, objects: Objects, version: number): void {
    const { resource, query } = asked
    const from = Number(query.resourceVersion)
    const watch = { resource, response, asked, from }
    asked.status = 200
    response.writeHead(200, { 'content-type': 'application/json' }).flushHeaders()
    if (from < objects.compacted && from !== version) {
      this.write(watch, expired(from, objects.compacted))
      response.end()
      return
    }
    const selects = selectorOf(query.fieldSelector)
    for (const change of objects.since(from)) this.#tell(watch, change, selects)
    const end = objects.watch((change) => this.#tell(watch, change, selects))
    this.#open.add(watch)
    response.once('close', () => {
      end()
      this.#open.delete(watch)
    })
  }

  bookmark(watch: Watch, version: number): void {
    const kind = RESOURCES.get(watch.resource)
    const object = { kind, apiVersion: 'v1', metadata: { resourceVersion: `${version}`, creationTimestamp: null } }
    this.write(watch, `${JSON.stringify({ type: 'BOOKMARK', object })}\n`)
  }

  write({ response, asked }: Watch, bytes: string | Buffer): void {
    if (this.frozen) return
    asked.bytes += Buffer.byteLength(bytes)
    response.write(bytes)
  }

  /** A watch cache passes on nothing that is not newer than what was asked for. */
  #tell(watch: Watch, change: Change, selects: Selector): void {
    if (change.version <= watch.from) return
    const line = lineOf(change, selects)
    if (line !== '') this.write(watch, line)
  }
}

function expired(version: number, oldest: number): string {
  const message = `too old resource version: ${version} (${oldest})`
  const object = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message, reason: 'Expired', code: 410 }
  return `${JSON.stringify({ type: 'ERROR', object })}\n`
}
