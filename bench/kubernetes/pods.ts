// Pods of a large cluster, one for each number: fifty on a node, a thousand Deployments. Knows their form only.
import { type KubernetesObject, pod, uidOf } from '../../test/harness/kubernetes-objects.ts'

const DEPLOYMENTS = 1000
const NAMESPACES = 40
const PODS_A_NODE = 50

function fields(index: number) {
  const hash = (index % DEPLOYMENTS).toString(16).padStart(10, '7d4b9c6f5d')
  const owner = `service-${index % DEPLOYMENTS}-${hash}`
  return {
    name: `${owner}-${index.toString(36).padStart(5, 'x')}`,
    namespace: `team-${index % NAMESPACES}`,
    node: `node-${Math.floor(index / PODS_A_NODE)}`,
    ip: `10.${Math.floor(index / 65_536)}.${Math.floor(index / 256) % 256}.${index % 256}`,
    hash,
    owner,
  }
}

export function numbered(index: number): KubernetesObject {
  const { hash: _, owner, ...own } = fields(index)
  return pod({ ...own, owner: { kind: 'ReplicaSet', name: owner } })
}

const FORM = JSON.stringify(
  pod({
    name: '<name>-<hash>-x',
    namespace: '<namespace>',
    uid: '<uid>',
    node: '<node>',
    ip: '<ip>',
    owner: { kind: 'ReplicaSet', name: '<owner>' },
    containers: [{ name: 'app', id: 'a'.repeat(64) }],
  }),
)

/** The same as text, made in a hundredth of the time. */
export function numberedText(index: number): string {
  const { name, hash, ...rest } = fields(index)
  let text = FORM.replaceAll('<name>-<hash>-x', name)
    .replaceAll('<hash>', hash)
    .replaceAll('<uid>', uidOf(`${index}`))
  for (const [field, value] of Object.entries(rest)) text = text.replaceAll(`<${field}>`, value)
  return text
}
