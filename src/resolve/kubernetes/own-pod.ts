// What is kept of a pod of this node: all that a peer's record has, and its containers by id. Knows the API's fields; holds nothing.
import { type Fields, fields, list, nameIn } from './fields.ts'
import { type PeerPod, stripPeerPod } from './peer-pod.ts'

export interface OwnPod extends PeerPod {
  readonly name: string
  /** Names of containers of every kind by id, those of ended ones too while the API knows them. */
  readonly containers: ReadonlyMap<string, string>
  /** A static pod's, which stands for the UID in its cgroups and directories: the API knows only its mirror, by another UID. */
  readonly configHash: string
}

/** Regular and sidecar, init (sidecars that are init containers too) and ephemeral. */
const STATUSES = ['containerStatuses', 'initContainerStatuses', 'ephemeralContainerStatuses'] as const
/** `containerd://…`, `cri-o://…`, `docker://…`. */
const CONTAINER_ID = /^[a-z0-9.+-]+:\/\/([0-9a-f]{64})$/
/** A pod has some; a list that goes on for ever is a mistake. */
const MAX_CONTAINERS = 1024

/** Undefined for what is no pod. */
export function stripOwnPod(raw: unknown): OwnPod | undefined {
  const pod = stripPeerPod(raw)
  const { metadata, status } = fields(raw)
  const { name, annotations } = fields(metadata)
  if (pod === undefined || typeof name !== 'string') return undefined
  const { 'kubernetes.io/config.hash': hash, 'kubernetes.io/config.mirror': mirror } = fields(annotations)
  return { ...pod, name, containers: containersOf(fields(status)), configHash: nameIn(mirror) ?? nameIn(hash) ?? '' }
}

function containersOf(status: Fields): ReadonlyMap<string, string> {
  const containers = new Map<string, string>()
  for (const entry of STATUSES.flatMap((kind) => list(status[kind]).slice(0, MAX_CONTAINERS))) {
    const container = fields(entry)
    const name = nameIn(container.name)
    if (name === undefined) continue
    const [state, lastState] = [fields(container.state), fields(container.lastState)]
    // Restarted in place, the former id stands only here.
    for (const written of [fields(lastState.terminated).containerID, fields(state.terminated).containerID, container.containerID]) {
      const id = typeof written === 'string' ? CONTAINER_ID.exec(written)?.[1] : undefined
      if (id !== undefined) containers.set(id, name)
    }
  }
  return containers
}
