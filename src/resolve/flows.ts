// Names in place of a flow's ids: its owner, its peer, its protocol. Never touches a count. Synchronous: what must wait is known before.
import type { Address, Attribution, FlowKey, FlowLabels, ResolvedFlow } from '../model.ts'
import { BoundedCache } from './bounded-cache.ts'
import type { CgroupIdentity } from './cgroup-path.ts'
import type { NamedNetwork } from './networks.ts'
import { type OwnerAnswer, type OwnerNames, type OwnerState, type Ownership, ownerOf, UNOWNED } from './owner.ts'
import { type ClusterPeers, createPeerOf, type Peer } from './peer.ts'

/** One full flow map at its default size; some 300 B an entry. */
const MAX_ENTRIES = 65_536

export interface ResolverSources {
  /** Must give the same object for the same cgroup while its name stands. */
  readonly cgroups: { lookup(id: bigint): CgroupIdentity | undefined }
  readonly networks: readonly NamedNetwork[]
  readonly hostAddresses: { readonly generation: number; has(address: Address): boolean }
  readonly owners?: OwnerNames
  readonly cluster?: ClusterPeers
  readonly maxEntries?: number
}

/** What a key reads as, and whether that is to be published: see OwnerState. */
export interface Named extends Pick<ResolvedFlow, 'labels' | 'attribution'> {
  readonly state: OwnerState
}

export interface Resolver {
  /** While it is the same and `lookup` gives the same object for its cgroup, a key that is `named` reads as before. */
  readonly generation: number
  /**
   * The same labels object for the same key while the answer stands and the cache holds it; else one with equal content. `before`: what
   * was answered for this key, by this resolver: who has it saves looking for it.
   */
  name(key: FlowKey, before?: Named): Named
}

interface Answer {
  readonly identity: CgroupIdentity | undefined
  readonly generation: number
  readonly ownership: Ownership
  readonly peer: Peer
  readonly labels: FlowLabels
  readonly attribution: Attribution
  readonly state: OwnerState
}

const NODE_OVERFLOW: OwnerAnswer = { ownership: UNOWNED, state: 'named' }

const PROTOCOLS = new Map([
  [1, 'icmp'],
  [6, 'tcp'],
  [17, 'udp'],
  [58, 'icmp6'],
  [132, 'sctp'],
])

export function createResolver(sources: ResolverSources): Resolver {
  const { cgroups, hostAddresses, owners, cluster, maxEntries = MAX_ENTRIES } = sources
  const peerOf = createPeerOf(sources)
  const answers = new BoundedCache<string, Answer>(maxEntries)
  const interned = new BoundedCache<string, FlowLabels>(maxEntries)

  /** Keys that read alike share one object: the store then finds their series by identity. */
  const intern = (labels: FlowLabels): FlowLabels => {
    const content = Object.values(labels).join('\0')
    const known = interned.get(content)
    if (known === undefined) interned.set(content, labels)
    return known ?? labels
  }

  const ownerAnswer = (key: FlowKey, identity: CgroupIdentity | undefined): OwnerAnswer => {
    if (key.peer === 'node_overflow') return NODE_OVERFLOW
    return owners?.ownerOf(key.cgroup, identity, key.local) ?? { ownership: ownerOf(identity), state: 'named' }
  }

  const answerAnew = (key: FlowKey, identity: CgroupIdentity | undefined, generation: number, before: Answer | undefined): Answer => {
    const { ownership, state } = ownerAnswer(key, identity)
    const peer = peerOf(key)
    const same = before !== undefined && before.ownership === ownership && before.peer === peer
    const labels = same ? before.labels : intern(labelsOf(key, ownership.owner, peer))
    return { identity, generation, ownership, peer, labels, attribution: ownership.attribution, state }
  }

  // Each only ever rises, so equal sums mean that none has.
  const generationNow = (): number => hostAddresses.generation + (owners?.generation ?? 0) + (cluster?.generation ?? 0)

  const name = (key: FlowKey, before?: Named): Named => {
    const identity = key.peer === 'node_overflow' ? undefined : cgroups.lookup(key.cgroup)
    const generation = generationNow()
    let answer = (before as Answer | undefined) ?? answers.get(key.id)
    if (answer === undefined || answer.identity !== identity || answer.generation !== generation || answer.state === 'waiting') {
      answer = answerAnew(key, identity, generation, answer)
      if (before === undefined) answers.set(key.id, answer)
    }
    return answer
  }

  return {
    get generation() {
      return generationNow()
    },
    name,
  }
}

/** Always the same properties in the same order: `intern` joins them. */
function labelsOf(key: FlowKey, owner: Ownership['owner'], peer: Peer): FlowLabels {
  if (key.peer === 'node_overflow') return { ...UNOWNED.owner, role: '', protocol: '', port: '', ...peer }
  const protocol = PROTOCOLS.get(key.protocol) ?? String(key.protocol)
  const full = key.peer === 'overflow'
  return { ...owner, role: full ? 'unknown' : key.role, protocol, port: full ? '0' : String(key.port), ...peer }
}
