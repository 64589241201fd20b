// Whose socket it is when nothing but its cgroup is known, in the contract's words. Knows no Kubernetes and no peers.
import type { Attribution, Owner } from '../model.ts'
import type { CgroupIdentity } from './cgroup-path.ts'

export interface Ownership {
  readonly owner: Owner
  readonly attribution: Attribution
}

const NOBODY: Owner = { namespace: '', pod: '', container: '', workload: '', workloadKind: '' }

export const UNOWNED: Ownership = { owner: NOBODY, attribution: 'none' }

/** Undefined: a cgroup that nobody knows, or none at all. */
export function ownerOf(identity: CgroupIdentity | undefined): Ownership {
  if (identity === undefined) return UNOWNED
  const inside = identity.kind === 'container' || identity.podUid !== undefined
  return { owner: { ...NOBODY, workload: identity.name, workloadKind: identity.kind }, attribution: inside ? 'cgroup' : 'host' }
}
