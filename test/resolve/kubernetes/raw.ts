// Raw objects as an API server sends them, for the tests.

export const UID = '6fa1c7a2-91d5-4c0e-8a51-0d3c7f2b9e44'

let made = 0

/** A UID that no other has. */
export function aUid(): string {
  made++
  return `00000000-0000-4000-8000-${made.toString(16).padStart(12, '0')}`
}

export interface RawPod {
  readonly uid?: string
  readonly name?: string
  readonly namespace?: string
  readonly node?: string
  readonly ips?: readonly string[]
  readonly owner?: readonly [kind: string, name: string]
  readonly labels?: Record<string, string>
  readonly annotations?: Record<string, string>
  readonly phase?: string
  readonly hostNetwork?: boolean
  readonly started?: string
  readonly containers?: Record<string, string>
}

export function rawPod(pod: RawPod = {}): unknown {
  const { uid = aUid(), name = 'web-0', namespace = 'shop', node = 'node-1', ips = [], owner, labels = {}, annotations = {} } = pod
  return {
    metadata: {
      uid,
      name,
      namespace,
      labels,
      annotations,
      creationTimestamp: '2025-01-01T00:00:00Z',
      ...(owner && { ownerReferences: [{ kind: owner[0], name: owner[1], controller: true }] }),
    },
    spec: { nodeName: node, ...(pod.hostNetwork && { hostNetwork: true }) },
    status: {
      phase: pod.phase ?? 'Running',
      startTime: pod.started ?? '2025-01-01T00:00:01Z',
      ...(ips.length > 0 && { podIP: ips[0], podIPs: ips.map((ip) => ({ ip })) }),
      containerStatuses: Object.entries(pod.containers ?? {}).map(([id, name]) => ({ name, containerID: `containerd://${id}` })),
    },
  }
}

/** Takes away, one after the other, each field of an object, however deep, and puts nonsense there. */
export function* broken(raw: unknown): Generator<unknown> {
  for (const nonsense of [undefined, null, 7, '', 'x y', [], {}, [null], true]) {
    for (const path of paths(raw)) {
      const copy = structuredClone(raw)
      let at = copy as Record<string, unknown>
      for (const key of path.slice(0, -1)) at = at[key] as Record<string, unknown>
      at[path.at(-1) as string] = nonsense
      yield copy
    }
    yield nonsense
  }
}

function* paths(value: unknown, path: readonly string[] = []): Generator<readonly string[]> {
  if (typeof value !== 'object' || value === null) return
  for (const [key, inner] of Object.entries(value)) {
    yield [...path, key]
    yield* paths(inner, [...path, key])
  }
}
