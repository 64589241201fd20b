// Reads a cgroup's path: whose it is by the names that runtimes, kubelet and systemd give. Text only: touches no file.

export interface PodCgroup {
  /** With dashes, as the API writes it; a static pod's is the 32 hex digits of its configuration's hash. */
  readonly podUid: string
  /** All 64 characters; absent for the pod's own directory. */
  readonly containerId?: string
  /** The container that the pod's node is (kind, minikube, k3d), seen from that container's host. */
  readonly nodeContainer?: string
}

export interface CgroupIdentity {
  readonly kind: 'container' | 'systemd' | 'cgroup'
  /** Container: the first 12 characters of its id. systemd: the unit. cgroup: the path below the mount. */
  readonly name: string
  /** Of the outermost pod: what runs inside it is its own affair. */
  readonly podUid?: string
  /** All 64 characters. */
  readonly containerId?: string
  readonly nodeContainer?: string
  /** Pods inside that pod, where a cluster runs in one: the outermost first. */
  readonly innerPods?: readonly PodCgroup[]
}

const POD =
  /(?:^|-)pod([0-9a-f]{8}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{12}|[0-9a-f]{32})(?:\.slice)?(?::[^:]+:([0-9a-f]{64}))?$/
const CONTAINER = /(?:^|[-:])([0-9a-f]{64})(?:\.scope)?$/
const UNIT = /.\.(?:service|scope)$/
const SHORT_ID = 12

/** `path` is below the cgroup v2 mount and starts with a slash; the root is `/`. */
export function identifyCgroup(path: string): CgroupIdentity {
  const segments = path.split('/').filter((segment) => segment !== '')
  const [pod, ...inner] = podsOf(segments)
  const containerId = pod === undefined ? outermostContainer(segments) : pod.containerId
  const about = { ...pod, ...(inner.length > 0 ? { innerPods: inner } : {}) }
  if (containerId !== undefined) return { kind: 'container', name: containerId.slice(0, SHORT_ID), ...about, containerId }
  const unit = innermostUnit(segments)
  if (unit !== undefined) return { kind: 'systemd', name: unit, ...about }
  return { kind: 'cgroup', name: `/${segments.join('/')}`, ...about }
}

function podsOf(segments: readonly string[]): readonly PodCgroup[] {
  const pods: PodCgroup[] = []
  let around: string | undefined
  for (const [index, segment] of segments.entries()) {
    const match = POD.exec(segment)
    if (match === null) {
      around = containerOf(segment) ?? around
      continue
    }
    const below = segments[index + 1]
    const containerId = match[2] ?? (below === undefined ? undefined : containerOf(below))
    pods.push({
      podUid: (match[1] ?? '').replaceAll('_', '-'),
      ...(containerId === undefined ? {} : { containerId }),
      ...(around === undefined ? {} : { nodeContainer: around }),
    })
  }
  return pods
}

/** Outside pods it is the outermost that the host's own tools list; what runs inside it is its own affair. */
function outermostContainer(segments: readonly string[]): string | undefined {
  for (const [index, segment] of segments.entries()) {
    // Podman with the cgroupfs driver puts a pod, named by its bare id, between this directory and its containers.
    if (segments[index - 1] === 'libpod_parent' && !segment.includes('-')) continue
    const id = containerOf(segment)
    if (id !== undefined) return id
  }
  return undefined
}

/** conmon watches over a container and bears its id, but runs outside it. */
function containerOf(segment: string): string | undefined {
  return segment.includes('conmon-') ? undefined : CONTAINER.exec(segment)?.[1]
}

/** The deepest service or scope; in a path of nothing but slices, the deepest of them. */
function innermostUnit(segments: readonly string[]): string | undefined {
  for (let index = segments.length - 1; index >= 0; index--) {
    const segment = segments[index] ?? ''
    // Every manager below the first keeps itself in an init.scope: that is the unit around it, not PID 1's.
    if (UNIT.test(segment) && (segment !== 'init.scope' || index === 0)) return unescapeUnit(segment)
  }
  const last = segments.at(-1)
  return last !== undefined && segments.every((segment) => segment.endsWith('.slice')) ? unescapeUnit(last) : undefined
}

/** systemd puts `_` before a unit whose name the kernel keeps for itself (`_cpu.service`, `_cgroup.slice`). */
function unescapeUnit(segment: string): string {
  return segment.startsWith('_') ? segment.slice(1) : segment
}
