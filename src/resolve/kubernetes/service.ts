// What is kept of a Service: by which addresses and ports it is dialled. Knows the API's fields; holds nothing.
import type { Address } from '../../model.ts'
import { addressesIn, type Fields, fields, isFields, list, nameIn, portIn } from './fields.ts'

export interface ServicePort {
  /** IP protocol number. */
  readonly protocol: number
  readonly port: number
  /** On the addresses of every node; 0 where there is none. */
  readonly nodePort: number
}

export interface Service {
  readonly uid: string
  readonly namespace: string
  readonly name: string
  /** Of this Service alone; none for a headless one, whose pods are dialled themselves. */
  readonly clusterAddresses: readonly Address[]
  /** Of load balancers and `externalIPs`: may be shared with other Services, and be a node's own. */
  readonly outerAddresses: readonly Address[]
  readonly ports: readonly ServicePort[]
}

const PROTOCOLS: ReadonlyMap<unknown, number> = new Map<unknown, number>([
  ['TCP', 6],
  ['UDP', 17],
  ['SCTP', 132],
])

/** Undefined for what is no Service. */
export function stripService(raw: unknown): Service | undefined {
  if (!isFields(raw)) return undefined
  const { uid: rawUid, namespace: rawNamespace, name: rawName } = fields(raw.metadata)
  const [uid, namespace, name] = [nameIn(rawUid), nameIn(rawNamespace), nameIn(rawName)]
  if (uid === undefined || namespace === undefined || name === undefined) return undefined
  const spec = fields(raw.spec)
  const ingress = list(fields(fields(raw.status).loadBalancer).ingress).map((entry) => fields(entry).ip)
  return {
    uid,
    namespace,
    name,
    clusterAddresses: addressesIn([spec.clusterIP, ...list(spec.clusterIPs)]),
    outerAddresses: addressesIn([...ingress, ...list(spec.externalIPs)]),
    ports: portsOf(spec),
  }
}

function portsOf(spec: Fields): readonly ServicePort[] {
  const ports: ServicePort[] = []
  for (const entry of list(spec.ports)) {
    const { protocol = 'TCP', port, nodePort } = fields(entry)
    const number = PROTOCOLS.get(protocol)
    if (number !== undefined && portIn(port) !== 0) ports.push({ protocol: number, port: portIn(port), nodePort: portIn(nodePort) })
  }
  return ports
}
