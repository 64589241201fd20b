// Keeps all pods of a cluster as the exporter does: `follower.ts URL`. Says when it is there; told `list`, when the list is in; told a
// version, when it has come so far; told `fill COUNT`, when it has taken so many pods out of JSON without a server, and each ten thousand
// of them. Knows nothing of what is measured.
import { createInterface } from 'node:readline'
import { boundHeap } from '../../src/commands/export/heap-growth.ts'
import { ApiClient } from '../../src/resolve/kubernetes/api/client.ts'
import { Intake } from '../../src/resolve/kubernetes/api/intake.ts'
import { Reflector } from '../../src/resolve/kubernetes/api/reflector.ts'
import { Slices } from '../../src/resolve/kubernetes/api/slices.ts'
import { createKubernetesNames } from '../../src/resolve/kubernetes/names.ts'
import { type PeerPod, stripPeerPod } from '../../src/resolve/kubernetes/peer-pod.ts'
import type { KubernetesObject } from '../../test/harness/kubernetes-objects.ts'
import { numberedText } from './pods.ts'

/** A busy machine takes a minute for all. */
const TELL_EVERY = 10_000

const server = process.argv[2] ?? ''
const cluster = { inCluster: false, access: async () => ({ server, headers: {}, tls: {} }), renew: () => undefined }
const client = new ApiClient(cluster, { userAgent: 'orb8-bench/1' })
const common = { nodeName: 'node-0', peerNodes: false, podLogsDirectory: '/nonexistent', partialRoot: false }
const names = createKubernetesNames({ ...common, api: true, peers: 'cluster' })
const { peerSink } = names
let awaited = ''
let seen = ''

const say = (): void => console.log(JSON.stringify({ pods: names.counts().peerPods }))

function strip(raw: unknown): PeerPod | undefined {
  seen = (raw as KubernetesObject).metadata.resourceVersion
  return stripPeerPod(raw)
}

function follow(): Reflector<PeerPod> {
  const sink = {
    listing: () => peerSink.listing(),
    listed: async () => {
      await peerSink.listed()
      say()
    },
    put: (pod: PeerPod) => {
      peerSink.put(pod)
      if (seen === awaited) say()
    },
    remove: (pod: PeerPod) => peerSink.remove(pod),
  }
  return new Reflector(client, { resource: 'peers', path: '/api/v1/pods', strip, sink, log: { info: console.error, warn: console.error } })
}

async function fill(count: number): Promise<void> {
  const intake = new Intake(peerSink, stripPeerPod, (reason) => console.error(reason))
  const slices = new Slices()
  peerSink.listing()
  for (let index = 0; index < count; index++) {
    await slices.breathe()
    intake.item(numberedText(index))
    if (index % TELL_EVERY === TELL_EVERY - 1) say()
  }
  await peerSink.listed()
  say()
}

boundHeap()
say()
let reflector: Reflector<PeerPod> | undefined
for await (const line of createInterface(process.stdin)) {
  if (line === 'list') reflector = follow()
  else if (line.startsWith('fill ')) await fill(Number(line.slice('fill '.length)))
  else awaited = line
}
await reflector?.[Symbol.asyncDispose]()
await client.close()
