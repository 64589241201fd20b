// Puts the names of a Kubernetes node together: what lists and watches feed, and what flows are named by. Asks no server, counts no bytes.
import type { Prefix } from '../../address.ts'
import type { Address } from '../../model.ts'
import type { CgroupIdentity } from '../cgroup-path.ts'
import type { DraUuid } from '../gpu-holders.ts'
import type { WorkloadNames } from '../gpus.ts'
import type { OwnerNames } from '../owner.ts'
import type { ClusterPeers } from '../peer.ts'
import type { Node } from './node.ts'
import { NodeSubtree } from './node-subtree.ts'
import { Nodes } from './nodes.ts'
import type { ObjectSink } from './object-sink.ts'
import type { OwnPod } from './own-pod.ts'
import { OwnPods } from './own-pods.ts'
import { Owners } from './owners.ts'
import type { PeerPod } from './peer-pod.ts'
import { PeerPods } from './peer-pods.ts'
import { type PeerScope, peerScope } from './peer-scope.ts'
import { Peers } from './peers.ts'
import { PodLogs } from './pod-logs.ts'
import { PublicPrefixes } from './public-prefixes.ts'
import type { ResourceSlice } from './resource-slice.ts'
import { ResourceSlices } from './resource-slices.ts'
import type { Service } from './service.ts'
import { Services } from './services.ts'
import { Waits } from './waits.ts'
import { Workloads } from './workloads.ts'

export interface KubernetesNamesOptions {
  readonly nodeName: string
  /** Is the API server asked? Else the sinks stay empty, and peers are told by host addresses and named networks alone. */
  readonly api: boolean
  readonly peers: PeerScope | 'auto'
  readonly peerNodes: boolean
  readonly podLogsDirectory: string
  /** The cgroup mount shows a part of the kernel's cgroups only. */
  readonly partialRoot: boolean
  /** Called when `scope` is chosen later than at once, and with each change: `cluster` wants all pods told to `peerSink`. */
  readonly scopeChosen?: (scope: PeerScope) => void
  /** Called once, when a GPU by a resource claim is asked for: `sliceSink` wants this node's ResourceSlices. Not without the API. */
  readonly slicesWanted?: () => void
  /** A pod that flows were seen of has given its address back: a collection now keeps its traffic from the next holder's. */
  readonly handedBack?: () => void
  /** Monotonic, ms. */
  readonly nowMs?: () => number
}

export interface KubernetesNamesCounts {
  /** Of this node. */
  readonly ownPods: number
  /** With an address, of all nodes; 0 where only this node's are followed. */
  readonly peerPods: number
  readonly services: number
  readonly nodes: number
  /** Containers whose traffic could not wait for a name because too many did. */
  readonly waitsRefused: number
  /** Public networks of the cluster beyond what the kernel is told of. */
  readonly prefixesOverlooked: number
}

export interface KubernetesNames {
  /** Pods of this node. */
  readonly podSink: ObjectSink<OwnPod>
  /** Pods of all nodes, while the scope is `cluster`. */
  readonly peerSink: ObjectSink<PeerPod>
  readonly serviceSink: ObjectSink<Service>
  readonly nodeSink: ObjectSink<Node>
  readonly sliceSink: ObjectSink<ResourceSlice>
  /** For the resolver. */
  readonly owners: OwnerNames
  /** For the resolver of devices. */
  readonly workloads: WorkloadNames
  readonly draUuid: DraUuid
  /** For the resolver; undefined without the API. */
  readonly cluster: ClusterPeers | undefined
  /** Undefined until it is known how many nodes there are, and without the API. */
  readonly scope: PeerScope | undefined
  /** Has all that the scope wants been listed once? */
  readonly synced: boolean
  /** The time that a collection counts ends now: to be called when the kernel's map is about to be taken. */
  collecting(): void
  /** To be called before the flows of a collection are resolved, with what their cgroups are. */
  ensure(identities: Iterable<CgroupIdentity | undefined>): Promise<void>
  /** Is there a pod of that name on this node? Also where nobody can tell. */
  hasPod(namespace: string, name: string): boolean
  /** What the kernel must keep whole. */
  publicPrefixes(): readonly Prefix[]
  counts(): KubernetesNamesCounts
}

export function createKubernetesNames(options: KubernetesNamesOptions): KubernetesNames {
  const { nodeName, api, peerNodes, podLogsDirectory, partialRoot, handedBack, nowMs = () => performance.now() } = options
  const prefixes = new PublicPrefixes()
  const book = { nowMs, ...(handedBack && { handedBack }) }
  const ownPods = new OwnPods(book, prefixes)
  const peerPrefixes = new PublicPrefixes()
  const peerPods = new PeerPods(book, peerPrefixes)
  const services = new Services(prefixes)
  const nodes = new Nodes(prefixes)
  const slices = new ResourceSlices()
  let askedForSlices = false
  const logs = new PodLogs({ directory: podLogsDirectory, nodeName, nowMs })
  const waits = new Waits({ nowMs })
  const inOwnRange = (address: Address): boolean => nodes.withRangeAround(address)?.name === nodeName
  const owners = new Owners({ api, pods: ownPods, logs, subtree: new NodeSubtree(partialRoot), waits, inOwnRange })
  const peers = new Peers({ nodeName, peerNodes, ownPods, peerPods, services, nodes })

  if (api && options.peers !== 'auto') peers.scope = options.peers
  const choose = (): void => {
    if (!nodes.synced) return
    const scope = peerScope(options.peers, nodes.size, peers.scope)
    if (scope === peers.scope) return
    peers.scope = scope
    options.scopeChosen?.(scope)
  }

  return {
    podSink: ownPods,
    peerSink: peerPods,
    serviceSink: services,
    nodeSink: followed(nodes, choose),
    sliceSink: slices,
    owners,
    workloads: new Workloads({ pods: ownPods, logs, owners }),
    draUuid(pool, device) {
      if (api && !askedForSlices) {
        askedForSlices = true
        options.slicesWanted?.()
      }
      return slices.uuidOf(pool, device)
    },
    cluster: api ? peers : undefined,
    get scope() {
      return peers.scope
    },
    get synced() {
      if (!api) return true
      if (peers.scope === undefined || !ownPods.synced) return false
      return peers.scope === 'off' || (services.synced && nodes.synced && (peers.scope === 'services' || peerPods.synced))
    },
    collecting() {
      ownPods.collecting()
      peerPods.collecting()
    },
    ensure: (identities) => owners.ensure(identities),
    hasPod(namespace, name) {
      if (ownPods.synced) return ownPods.has(namespace, name)
      return !logs.found || logs.has(namespace, name)
    },
    publicPrefixes: () => [...prefixes.list(), ...peerPrefixes.list()],
    counts: () => ({
      ownPods: ownPods.size,
      peerPods: peerPods.size,
      services: services.size,
      nodes: nodes.size,
      waitsRefused: waits.refused,
      prefixesOverlooked: prefixes.overlooked + peerPrefixes.overlooked,
    }),
  }
}

/** The same sink; `then` is called after whatever may have changed how many there are. */
function followed<T>(sink: ObjectSink<T>, then: () => void): ObjectSink<T> {
  return {
    listing: () => sink.listing(),
    put(object) {
      sink.put(object)
      then()
    },
    listed() {
      const slices = sink.listed()
      then()
      return slices?.then(then)
    },
    remove(object) {
      sink.remove(object)
      then()
    },
  }
}
