// Follows the pods of an API server and keeps a few fields of each: `follower.ts URL`. Says when it is there; told `list`, when the list is
// in; told a version, when it has come so far. Knows nothing of what is measured.
import { createInterface } from 'node:readline'
import { ApiClient } from '../../src/resolve/kubernetes/api/client.ts'
import { Reflector } from '../../src/resolve/kubernetes/api/reflector.ts'
import type { KubernetesObject } from '../../test/harness/kubernetes-objects.ts'

interface Slim {
  readonly key: string
  readonly ip: unknown
  readonly version: string
}

const server = process.argv[2] ?? ''
const cluster = { inCluster: false, access: async () => ({ server, headers: {}, tls: {} }), renew: () => undefined }
const client = new ApiClient(cluster, { userAgent: 'orb8-bench/1' })
const index = new Map<string, Slim>()
let awaited = ''

function strip(raw: unknown): Slim {
  const { metadata, status } = raw as KubernetesObject
  return { key: `${metadata.namespace}/${metadata.name}`, ip: status.podIP, version: metadata.resourceVersion }
}

const say = (): void => console.log(JSON.stringify({ objects: index.size }))
let reflector: Reflector<Slim> | undefined

function follow(): Reflector<Slim> {
  const sink = {
    listing: () => undefined,
    listed: say,
    put: (slim: Slim) => {
      index.set(slim.key, slim)
      if (slim.version === awaited) say()
    },
    remove: ({ key }: Slim) => index.delete(key),
  }
  return new Reflector(client, { resource: 'pods', path: '/api/v1/pods', strip, sink, log: { info: console.error, warn: console.error } })
}

say()
for await (const line of createInterface(process.stdin)) {
  if (line === 'list') reflector = follow()
  else awaited = line
}
await reflector?.[Symbol.asyncDispose]()
await client.close()
