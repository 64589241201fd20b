// Who has an address in the cluster, as a flow's peer: Services, nodes, pods. Knows names and zones; nothing of hosts and named networks.
import type { Address, FlowKey, PeerKind } from '../../model.ts'
import { BoundedCache } from '../bounded-cache.ts'
import type { ClusterPeers, Peer } from '../peer.ts'
import type { Node } from './node.ts'
import type { Nodes } from './nodes.ts'
import type { OwnPods } from './own-pods.ts'
import type { PeerPods } from './peer-pods.ts'
import type { PeerScope } from './peer-scope.ts'
import { isPublic } from './public-prefixes.ts'
import type { Service } from './service.ts'
import type { Services } from './services.ts'

/** Peers of one node's flows, workloads by zones; 200 B each. */
const MAX_PEERS = 16_384

export interface PeersSources {
  readonly nodeName: string
  /** Name the node in a node's peer_workload. */
  readonly peerNodes: boolean
  readonly ownPods: OwnPods
  readonly peerPods: PeerPods
  readonly services: Services
  readonly nodes: Nodes
}

export class Peers implements ClusterPeers {
  readonly #sources: PeersSources
  readonly #peers = new BoundedCache<string, Peer>(MAX_PEERS)
  #scope: PeerScope | undefined
  #changes = 0
  #ranges: { readonly generation: number; readonly hold: boolean } | undefined

  constructor(sources: PeersSources) {
    this.#sources = sources
  }

  /** How much is followed; undefined until that is known. */
  get scope(): PeerScope | undefined {
    return this.#scope
  }

  set scope(scope: PeerScope) {
    if (scope !== this.#scope) this.#changes++
    if (scope !== 'cluster') this.#sources.peerPods.clear()
    this.#scope = scope
  }

  get generation(): number {
    const { ownPods, peerPods, services, nodes } = this.#sources
    return this.#changes + ownPods.generation + peerPods.generation + services.generation + nodes.generation
  }

  service({ remote, role, protocol, port }: FlowKey, isHost: boolean): Peer | undefined {
    if (this.#scope === 'off') return undefined
    const { services, nodes } = this.#sources
    const own = services.atClusterAddress(remote)
    if (own !== undefined) return this.#service(own)
    const isNode = isHost || nodes.at(remote) !== undefined
    if (role === 'client') {
      const dialled = services.atOuterPort(remote, protocol, port) ?? (isNode ? services.atNodePort(protocol, port) : undefined)
      if (dialled !== undefined) return this.#service(dialled)
    }
    const outer = isNode ? undefined : services.atOuterAddress(remote)
    return outer === undefined ? undefined : this.#service(outer)
  }

  nodeOrPod(address: Address): Peer | undefined {
    if (this.#scope === 'off') return undefined
    const { nodes, ownPods, peerPods } = this.#sources
    const node = nodes.at(address)
    if (node !== undefined) return this.#node(node)
    const peer = peerPods.holder(address)
    if (peer !== undefined) return this.#pod(peer.workload.namespace, peer.workload.name, nodes.named(peer.node.key)?.zone)
    const own = ownPods.holder(address)
    return own === undefined ? undefined : this.#pod(own.namespace, own.workload, nodes.named(own.node)?.zone)
  }

  thisNode(): Peer {
    const { nodes, nodeName } = this.#sources
    return this.#node(this.#scope === 'off' ? { name: nodeName, zone: '' } : (nodes.named(nodeName) ?? { name: nodeName, zone: '' }))
  }

  /** A pod that nobody told of has no name, and a zone where its address gives its node away. */
  inPodRange(address: Address): Peer | undefined {
    if (this.#scope === 'off') return undefined
    const node = this.#sources.nodes.withRangeAround(address)
    return node === undefined ? undefined : this.#pod('', '', this.#rangesHold() ? node.zone : '')
  }

  mayBePod(address: Address): boolean {
    return this.#scope !== 'off' && !isPublic(address) && !this.#knowsAll()
  }

  /** Would it be known of every private address if it was a pod's? */
  #knowsAll(): boolean {
    const { ownPods, peerPods, services, nodes } = this.#sources
    if (this.#scope === undefined || !services.synced || !nodes.synced) return false
    return this.#scope === 'cluster' ? peerPods.synced : ownPods.synced && this.#rangesHold()
  }

  /** Do this node's pods have addresses out of its ranges? Then so will the others'. */
  #rangesHold(): boolean {
    const { nodeName, ownPods, nodes } = this.#sources
    const generation = ownPods.generation + nodes.generation
    if (this.#ranges?.generation !== generation) {
      const keeps = (address: Address): boolean => nodes.withRangeAround(address)?.name === nodeName
      this.#ranges = { generation, hold: (nodes.named(nodeName)?.podRanges.length ?? 0) > 0 && ownPods.addresses().every(keeps) }
    }
    return this.#ranges.hold
  }

  #service({ namespace, name }: Service): Peer {
    return this.#peer('service', namespace, name, '')
  }

  #pod(namespace: string, workload: string, zone = ''): Peer {
    return this.#peer('pod', namespace, workload, zone)
  }

  #node({ name, zone }: Pick<Node, 'name' | 'zone'>): Peer {
    return this.#peer('node', '', this.#sources.peerNodes ? name : '', zone)
  }

  #peer(peerKind: PeerKind, peerNamespace: string, peerWorkload: string, peerZone: string): Peer {
    const key = `${peerKind}\0${peerNamespace}\0${peerWorkload}\0${peerZone}`
    const known = this.#peers.get(key)
    if (known !== undefined) return known
    const made: Peer = { peerKind, peerNamespace, peerWorkload, peerZone }
    this.#peers.set(key, made)
    return made
  }
}
