// Whose socket it is when nothing but its cgroup is known, in the contract's words, and what those answer who know more. Knows no peers.
import type { Address, Attribution, Owner } from '../model.ts'
import type { CgroupIdentity } from './cgroup-path.ts'

export interface Ownership {
  readonly owner: Owner
  readonly attribution: Attribution
}

/**
 * `named`: as good as it gets. `waiting`: a better name is likely to come within seconds, the traffic had better not be published yet.
 * `elsewhere`: not of this node, which shares its kernel with others; not to be counted here.
 */
export type OwnerState = 'named' | 'waiting' | 'elsewhere'

export interface OwnerAnswer {
  /** The same object while the answer stands. */
  readonly ownership: Ownership
  readonly state: OwnerState
}

/** Names that a cgroup's path does not hold. Answers stand while `generation` does, but for those in waiting. */
export interface OwnerNames {
  readonly generation: number
  ownerOf(cgroup: bigint, identity: CgroupIdentity | undefined, local: Address): OwnerAnswer
}

const NOBODY: Owner = { namespace: '', pod: '', container: '', workload: '', workloadKind: '' }

export const UNOWNED: Ownership = { owner: NOBODY, attribution: 'none' }

/** Undefined: a cgroup that nobody knows, or none at all. */
export function ownerOf(identity: CgroupIdentity | undefined): Ownership {
  if (identity === undefined) return UNOWNED
  const inside = identity.kind === 'container' || identity.podUid !== undefined
  return { owner: { ...NOBODY, workload: identity.name, workloadKind: identity.kind }, attribution: inside ? 'cgroup' : 'host' }
}
