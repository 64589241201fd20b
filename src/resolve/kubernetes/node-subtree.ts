// Which cgroups are this node's, where several nodes are containers of one host and share its kernel (kind, minikube, k3d).
// Knows what paths say; nothing of names.
import type { CgroupIdentity, PodCgroup } from '../cgroup-path.ts'

export class NodeSubtree {
  readonly #partial: boolean
  /** The container that this node is, as its pods' paths have it: '' where it is none, or where the mount shows no more than it. */
  #own: string | undefined
  #changes = 0

  /** `partial`: the mount shows a part of the kernel's cgroups only. */
  constructor(partial: boolean) {
    this.#partial = partial
  }

  /** Raised whenever an answer may have changed. */
  get generation(): number {
    return this.#changes
  }

  /** A pod of this node has this cgroup. */
  learn({ nodeContainer = '' }: PodCgroup): void {
    if (this.#own === nodeContainer) return
    this.#own = nodeContainer
    this.#changes++
  }

  /**
   * Is it certain that the socket is another node's, or the host's around the node? Where the mount shows the node alone, whatever it
   * does not show is: but only once a pod was seen in it, as the exporter's own container would else pass for a node.
   */
  elsewhere(cgroup: bigint, identity: CgroupIdentity | undefined): boolean {
    if (this.#own === undefined) return false
    if (identity === undefined) return this.#partial && cgroup !== 0n
    if (this.#own === '') return false
    const { podUid, nodeContainer, containerId, innerPods = [] } = identity
    if (innerPods.some((pod) => pod.nodeContainer === this.#own)) return false
    return (podUid === undefined ? containerId : nodeContainer) !== this.#own
  }
}
