// The controller at the top of a pod, from what the pod itself says of its owners. Asks nobody, watches no other objects.
import { type Fields, fields, list, nameIn } from './fields.ts'

export interface Workload {
  readonly workload: string
  readonly workloadKind: string
}

/** A CronJob's Jobs end in the minute they were due, since the epoch. */
const SCHEDULED = /^(.+)-\d{8,}$/
/** Who puts a hash on the ReplicaSets it makes, by the label that holds it. */
const HASH_LABELS = [
  ['pod-template-hash', 'Deployment'],
  ['rollouts-pod-template-hash', 'Rollout'],
] as const

/** `name`: the pod's own. `node`: where it runs, if it does. */
export function workloadOf(metadata: Fields, name: string, node: string): Workload {
  const owner = controllerOf(metadata)
  if (owner === undefined) {
    const isStatic = nameIn(fields(metadata.annotations)['kubernetes.io/config.mirror']) !== undefined
    return isStatic && node !== '' ? { workload: node, workloadKind: 'Node' } : { workload: name, workloadKind: 'Pod' }
  }
  if (owner.workloadKind === 'ReplicaSet') return aboveReplicaSet(owner, fields(metadata.labels))
  if (owner.workloadKind === 'Job') {
    const cronJob = SCHEDULED.exec(owner.workload)?.[1]
    return cronJob === undefined ? owner : { workload: cronJob, workloadKind: 'CronJob' }
  }
  return owner
}

function controllerOf(metadata: Fields): Workload | undefined {
  for (const reference of list(metadata.ownerReferences)) {
    const { controller, name, kind } = fields(reference)
    const [workload, workloadKind] = [nameIn(name), nameIn(kind)]
    if (controller === true && workload !== undefined && workloadKind !== undefined) return { workload, workloadKind }
  }
  return undefined
}

function aboveReplicaSet(replicaSet: Workload, labels: Fields): Workload {
  for (const [label, workloadKind] of HASH_LABELS) {
    const hash = nameIn(labels[label])
    if (hash === undefined) continue
    const length = replicaSet.workload.length - hash.length - 1
    if (length > 0 && replicaSet.workload.endsWith(`-${hash}`)) return { workload: replicaSet.workload.slice(0, length), workloadKind }
  }
  return replicaSet
}
