// Whose socket it is: a pod's by its cgroup, from the API or the logs' directories; else a pod's by its address; else as the path says.
// Knows who is asked in which order, and when to wait; asks no server.
import { UNSPECIFIED } from '../../address.ts'
import type { Address } from '../../model.ts'
import type { CgroupIdentity, PodCgroup } from '../cgroup-path.ts'
import { type OwnerAnswer, type OwnerNames, type Ownership, ownerOf, UNOWNED } from '../owner.ts'
import type { NodeSubtree } from './node-subtree.ts'
import type { OwnAnswer, OwnPods } from './own-pods.ts'
import type { PodLogs } from './pod-logs.ts'
import type { Waits } from './waits.ts'

export interface OwnersSources {
  /** Does the API server tell of pods? */
  readonly api: boolean
  readonly pods: OwnPods
  readonly logs: PodLogs
  readonly subtree: NodeSubtree
  readonly waits: Waits
  /** Is it an address that only pods of this node have, known or not? */
  readonly inOwnRange: (address: Address) => boolean
}

/** The name of the root's cgroup. */
const ROOT = '/'

const ELSEWHERE: OwnerAnswer = { ownership: UNOWNED, state: 'elsewhere' }

export class Owners implements OwnerNames {
  readonly #sources: OwnersSources
  readonly #plain = new WeakMap<CgroupIdentity, Ownership>()

  constructor(sources: OwnersSources) {
    this.#sources = sources
  }

  get generation(): number {
    const { pods, logs, subtree } = this.#sources
    return pods.generation + logs.generation + subtree.generation
  }

  ownerOf(cgroup: bigint, identity: CgroupIdentity | undefined, local: Address): OwnerAnswer {
    const { subtree } = this.#sources
    const pod = identity === undefined ? undefined : this.#podOf(identity)
    if (subtree.elsewhere(cgroup, identity)) return ELSEWHERE
    if (identity !== undefined && pod !== undefined) return this.#ofPod(pod, identity)
    if (identity?.kind === 'container') return { ownership: this.#byPath(identity), state: 'named' }
    return this.#ofNoContainer(identity, local)
  }

  /**
   * Whose a process is, by what is known now. `cgroup` 0: its path may be told from elsewhere than the mount, and says nothing of
   * other nodes. Undefined: of another node, which shares its kernel with this one.
   */
  ofProcess(cgroup: bigint, identity: CgroupIdentity | undefined): Ownership | undefined {
    if (cgroup !== 0n && this.#sources.subtree.elsewhere(cgroup, identity)) return undefined
    const pod = identity === undefined ? undefined : this.#findPod(identity)
    return identity === undefined || pod === undefined ? this.#byPath(identity) : this.#bestOf(pod, identity).ownership
  }

  /** On cgroup v1 nodes every socket is of no container: until its address is known it may be a pod's. */
  #ofNoContainer(identity: CgroupIdentity | undefined, local: Address): OwnerAnswer {
    const { api, pods, waits, inOwnRange } = this.#sources
    const byAddress = pods.atAddress(local)
    if (byAddress !== undefined) return { ownership: byAddress, state: 'named' }
    const mayBePod = api && (inOwnRange(local) || (!pods.synced && identity?.name === ROOT && local !== UNSPECIFIED))
    return { ownership: this.#byPath(identity), state: mayBePod && waits.mayWait(local) ? 'waiting' : 'named' }
  }

  /** To be called before the flows of a collection are resolved: looks into the logs' directories for what the API does not say. */
  ensure(identities: Iterable<CgroupIdentity | undefined>): Promise<void> {
    return this.#ensure([...identities].flatMap((identity) => (identity === undefined ? [] : [this.#podOf(identity)])))
  }

  /** The same for `ofProcess`. */
  ensureProcesses(identities: readonly CgroupIdentity[]): Promise<void> {
    return this.#ensure(identities.map((identity) => this.#findPod(identity)))
  }

  async #ensure(wanted: readonly (PodCgroup | undefined)[]): Promise<void> {
    const { pods, logs } = this.#sources
    const needs = new Map<string, PodCgroup>()
    for (const pod of wanted) {
      if (pod !== undefined && pods.lookup(pod.podUid, pod.containerId)?.certain !== true) needs.set(keyOf(pod), pod)
    }
    await logs.ensure(needs.values())
  }

  #ofPod(pod: PodCgroup, identity: CgroupIdentity): OwnerAnswer {
    const { api, logs, waits } = this.#sources
    const { ownership, certain } = this.#bestOf(pod, identity)
    if (certain) {
      waits.named(keyOf(pod))
      return { ownership, state: 'named' }
    }
    const somebodyKnows = api || logs.found
    return { ownership, state: somebodyKnows && waits.mayWait(keyOf(pod)) ? 'waiting' : 'named' }
  }

  #bestOf({ podUid, containerId }: PodCgroup, identity: CgroupIdentity): OwnAnswer {
    const { api, pods, logs } = this.#sources
    const told = pods.lookup(podUid, containerId)
    if (told?.certain) return told
    const logged = logs.lookup(podUid, containerId)
    if (logged?.certain) {
      if (told !== undefined) return { ownership: pods.named(podUid, logged.ownership.owner.container) ?? told.ownership, certain: true }
      if (!api) return logged
    }
    return { ownership: told?.ownership ?? logged?.ownership ?? this.#byPath(identity), certain: false }
  }

  #podOf(identity: CgroupIdentity): PodCgroup | undefined {
    const pod = this.#findPod(identity)
    if (pod !== undefined && this.#isKnown(pod)) this.#sources.subtree.learn(pod)
    return pod
  }

  /** The outermost pod that this node is known to run; the outermost of all where none is. */
  #findPod(identity: CgroupIdentity): PodCgroup | undefined {
    const { podUid, containerId, nodeContainer, innerPods = [] } = identity
    if (podUid === undefined) return undefined
    const outermost = { podUid, ...(containerId && { containerId }), ...(nodeContainer && { nodeContainer }) }
    return [outermost, ...innerPods].find((pod) => this.#isKnown(pod)) ?? outermost
  }

  #isKnown({ podUid }: PodCgroup): boolean {
    const { pods, logs } = this.#sources
    return pods.lookup(podUid) !== undefined || logs.lookup(podUid) !== undefined
  }

  #byPath(identity: CgroupIdentity | undefined): Ownership {
    if (identity === undefined) return UNOWNED
    const known = this.#plain.get(identity)
    if (known !== undefined) return known
    const made = ownerOf(identity)
    this.#plain.set(identity, made)
    return made
  }
}

function keyOf({ podUid, containerId = '' }: PodCgroup): string {
  return `${podUid}/${containerId}`
}
