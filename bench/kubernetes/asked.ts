// What is asked of an API server at rest, and what a change takes: sizes as they come over the wire. Knows the client; no exporter.
import { setTimeout as sleep } from 'node:timers/promises'
import { ApiClient } from '../../src/resolve/kubernetes/api/client.ts'
import { Reflector } from '../../src/resolve/kubernetes/api/reflector.ts'
import { ApiServer } from '../../test/harness/api-server.ts'
import { until } from '../../test/harness/child.ts'
import { Undo } from '../../test/harness/undo.ts'
import { numbered } from './pods.ts'

const RESOURCES = ['pods', 'services', 'nodes', 'pods'] as const
/** Servers tell every watch once a minute how far it has come. */
const BOOKMARKS_AN_HOUR = 60
/** Between 300 and 600 s each. */
const WATCHES_AN_HOUR = 3600 / 450
/** The line and the headers of an answer, which the client does not count. */
const HEAD_BYTES = 400

/** Requests and bytes an hour where nothing changes. */
export async function askedAtRest(): Promise<{ readonly requests: number; readonly bytes: number; readonly resources: number }> {
  const undo = new Undo()
  try {
    const server = await ApiServer.start(undo)
    const cluster = { inCluster: false, access: async () => ({ server: server.url, headers: {}, tls: {} }), renew: () => undefined }
    let received = 0
    const traffic = {
      asked: () => undefined,
      received: (bytes: number) => {
        received += bytes
      },
    }
    const client = new ApiClient(cluster, { userAgent: 'orb8-bench/1', traffic })
    const sink = { listing: () => undefined, put: () => undefined, listed: () => undefined, remove: () => undefined }
    const log = { info: () => undefined, warn: () => undefined }
    const follow = (resource: string) => new Reflector(client, { resource, path: `/api/v1/${resource}`, strip: () => ({}), sink, log })
    const reflectors = RESOURCES.map(follow)
    await until('watches', () => server.watching() === RESOURCES.length)
    await sleep(100)
    received = 0
    server.bookmark()
    await until('bookmarks', () => received > 0)
    await sleep(100)
    const requests = RESOURCES.length * WATCHES_AN_HOUR
    const bytes = received * BOOKMARKS_AN_HOUR + requests * HEAD_BYTES
    for (const reflector of reflectors) await reflector[Symbol.asyncDispose]()
    await client.close()
    return { requests, bytes, resources: RESOURCES.length }
  } finally {
    await undo.all()
  }
}

/** Of a line of a watch that tells of one changed pod. */
export function eventBytes(): number {
  return JSON.stringify({ type: 'MODIFIED', object: numbered(1) }).length + 1
}
