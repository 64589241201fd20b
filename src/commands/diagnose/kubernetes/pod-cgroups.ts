// Which cgroups of pods does the tree hold, and who laid them out? Walks it once; watches nothing.
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { identifyCgroup } from '../../../resolve/cgroup-path.ts'
import { findCgroupRoot } from '../../../resolve/cgroup-root.ts'
import type { Check, Finding } from '../check.ts'

const CHECK = 'pod_cgroups'
/** Far above what a node has; a second or two. */
const MAX_DIRECTORIES = 65_536
const RUNTIMES: ReadonlyMap<string, string> = new Map([
  ['cri-containerd', 'containerd'],
  ['crio', 'CRI-O'],
  ['docker', 'Docker'],
  ['libpod', 'Podman'],
])

interface Layouts {
  readonly pods: Set<string>
  readonly containers: Set<string>
  /** Containers that are nodes. */
  readonly nodes: Set<string>
  readonly drivers: Set<string>
  readonly runtimes: Set<string>
}

/** `setting` is Config.cgroupRoot; where that is none the check of cgroups says so. `expected`: this is a node of a cluster. */
export function podCgroups(setting: string, expected: boolean): Check {
  return {
    name: CHECK,
    run: async () => {
      const root = await findCgroupRoot(setting).catch(() => undefined)
      return root === undefined ? [] : [finding(await layoutsBelow(root.path), expected)]
    },
  }
}

/** Exported for its tests: `root` may be any directory. */
export async function layoutsBelow(root: string): Promise<Layouts> {
  const seen: Layouts = { pods: new Set(), containers: new Set(), nodes: new Set(), drivers: new Set(), runtimes: new Set() }
  const paths = ['/']
  for (let next = 0; next < paths.length; next++) {
    const path = paths[next] as string
    // What runs inside a container is its own affair.
    if (note(seen, path)) continue
    for (const entry of await readdir(join(root, path), { withFileTypes: true }).catch(() => []))
      if (entry.isDirectory() && paths.length < MAX_DIRECTORIES) paths.push(join(path, entry.name))
  }
  return seen
}

/** True for a container's. */
function note({ pods, containers, nodes, drivers, runtimes }: Layouts, path: string): boolean {
  const { podUid, containerId, nodeContainer } = identifyCgroup(path)
  if (podUid === undefined) return false
  pods.add(podUid)
  if (nodeContainer !== undefined) nodes.add(nodeContainer)
  if (containerId === undefined) return false
  containers.add(containerId)
  const segments = path.split('/')
  const at = segments.findIndex((segment) => segment.includes(podUid) || segment.includes(podUid.replaceAll('-', '_')))
  const [pod = '', below = ''] = segments.slice(at)
  const together = pod.includes(containerId)
  drivers.add(together ? 'systemd driver of the kubelet only' : pod.endsWith('.slice') ? 'systemd driver' : 'cgroupfs driver')
  const prefix = (together ? pod.split(':')[1] : below.slice(0, below.indexOf(containerId)).replace(/-$/, '')) ?? ''
  runtimes.add(RUNTIMES.get(prefix) ?? (prefix === '' ? 'a runtime that writes bare ids' : prefix))
  return true
}

function finding({ pods, containers, nodes, drivers, runtimes }: Layouts, expected: boolean): Finding {
  if (pods.size === 0) return none(expected)
  const inside = nodes.size === 0 ? '' : `, inside ${[...nodes].map((id) => id.slice(0, 12)).join(', ')} (nodes that are containers)`
  const layout = [...drivers, ...runtimes].join(', ')
  const found = `pods: ${pods.size}, containers: ${containers.size}${layout === '' ? '' : `, ${layout}`}${inside}`
  return { check: CHECK, status: 'ok', found, remedy: '' }
}

function none(expected: boolean): Finding {
  if (!expected) return { check: CHECK, status: 'ok', found: 'no pods', remedy: '' }
  const remedy =
    "sockets are joined by their pod's address: mount the host's /sys/fs/cgroup and name it with ORB8_CGROUP_ROOT, unless this node uses cgroup version 1"
  return { check: CHECK, status: 'warn', found: 'no pods', remedy }
}
