// Does the cluster know this node by the name that is set, and how many pods does it have there? Asks nothing itself.
import type { Finding } from '../check.ts'

const CHECK = 'kubernetes node'
const REMEDY = "NODE_NAME must be the node's name in the cluster (fieldRef: spec.nodeName)"

export interface NodeSeen {
  /** Undefined where nodes may not be listed. */
  readonly known: boolean | undefined
  /** Undefined where pods may not be listed. */
  readonly pods: number | undefined
}

/** Nothing where nothing can be said. */
export function thisNode(nodeName: string, { known, pods }: NodeSeen): readonly Finding[] {
  if (known === false) return [{ check: CHECK, status: 'fail', found: `the cluster knows no node ${nodeName}`, remedy: REMEDY }]
  if (known === undefined && pods === undefined) return []
  const told = pods === undefined ? '' : `, with ${pods} ${pods === 1 ? 'pod' : 'pods'}`
  const found = `${nodeName}${known === true ? ' is known' : ''}${told}`
  return [pods === 0 ? { check: CHECK, status: 'warn', found, remedy: REMEDY } : { check: CHECK, status: 'ok', found, remedy: '' }]
}
