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

/** `pod` reads label and hash out of the name. */
const FORM = JSON.stringify(
  pod({
    name: '<app>-<hash>-x',
    namespace: '<namespace>',
    uid: '<uid>',
    node: '<node>',
    ip: '<ip>',
    owner: { kind: 'ReplicaSet', name: '<owner>' },
    containers: [{ name: 'app', id: 'a'.repeat(64) }],
  }),
).replaceAll('<app>-<hash>-x', '<name>')

/** Literal text and names of fields by turns. */
const PIECES = FORM.split(/<(\w+)>/)

/** The same as text, made in a hundredth of the time, and without rubbish that outlives a small collection. */
export function numberedText(index: number): string {
  const values: Readonly<Record<string, string>> = { ...fields(index), app: 'service', uid: uidOf(`${index}`) }
  return PIECES.map((piece, at) => (at % 2 === 0 ? piece : (values[piece] ?? ''))).join('')
}
