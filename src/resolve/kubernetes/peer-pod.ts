// What is kept of a pod anywhere in the cluster: which addresses it has, and whose it is. Knows the API's fields; holds nothing.
import type { Address } from '../../model.ts'
import { addressesIn, type Fields, fields, isFields, list, nameIn, secondsIn } from './fields.ts'
import { type Workload, workloadOf } from './workload.ts'

export interface PeerPod extends Workload {
  readonly uid: string
  readonly namespace: string
  /** Where it runs; empty where it does not yet. */
  readonly node: string
  /** None for a pod on its node's network, for one that has ended, and for one that has none yet. */
  readonly addresses: readonly Address[]
  /** Since when its node knows it, s since the epoch of the API server's clock; 0 where nobody says. Of two pods that were given one address the later has it. */
  readonly startedS: number
}

/** A pod ends with these, and its address goes back. */
const ENDED = new Set<unknown>(['Succeeded', 'Failed'])

/** Undefined for what is no pod. */
export function stripPeerPod(raw: unknown): PeerPod | undefined {
  if (!isFields(raw)) return undefined
  const metadata = fields(raw.metadata)
  const [uid, namespace, name] = [nameIn(metadata.uid), nameIn(metadata.namespace), nameIn(metadata.name)]
  if (uid === undefined || namespace === undefined || name === undefined) return undefined
  const [spec, status] = [fields(raw.spec), fields(raw.status)]
  const node = nameIn(spec.nodeName) ?? ''
  return {
    uid,
    namespace,
    ...workloadOf(metadata, name, node),
    node,
    addresses: addressesOf(spec, status),
    startedS: secondsIn(status.startTime) || secondsIn(metadata.creationTimestamp),
  }
}

function addressesOf(spec: Fields, status: Fields): readonly Address[] {
  if (spec.hostNetwork === true || ENDED.has(status.phase)) return []
  return addressesIn([status.podIP, ...list(status.podIPs).map((entry) => fields(entry).ip)])
}
