// Pods and containers by the directories and links that kubelet makes for their logs. Reads names only, never a log; no cgroups, no API.
import { readdir, readlink } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'

/** Kubelet's own bound is 110 to 500 pods; directories of pods long gone are cleared away a few minutes late. */
const MAX_PODS = 16_384
/** Those of each container that is restarted stay until the pod goes. */
const MAX_LINKS = 65_536
/** In one pod's directory. */
const MAX_CONTAINERS = 256

/** `NAMESPACE_NAME_UID`; none of the three has an underscore. */
const POD = /^([!-^`-~]{1,253})_([!-^`-~]{1,253})_([!-^`-~]{1,253})$/
/** `POD_NAMESPACE_CONTAINER-ID.log`; in a name that was too long for a file the id is cut off. */
const LINK = /^[^_]+_[^_]+_([!-^`-~]{1,253})-([0-9a-f]{64})\.log$/
const CONTAINER = /^[!-~]{1,253}$/
const CONTAINER_ID = /(?:^|[^0-9a-f])([0-9a-f]{64})(?:[^0-9a-f]|$)/

export interface LoggedPod {
  readonly uid: string
  readonly namespace: string
  readonly name: string
  readonly directory: string
}

/** Throws what readdir throws. */
export async function listPods(directory: string): Promise<readonly LoggedPod[]> {
  const pods: LoggedPod[] = []
  for (const entry of (await readdir(directory)).slice(0, MAX_PODS)) {
    const [, namespace, name, uid] = POD.exec(entry) ?? []
    if (namespace !== undefined && name !== undefined && uid !== undefined)
      pods.push({ uid, namespace, name, directory: join(directory, entry) })
  }
  return pods
}

/** Container names by id, from the links beside the pods' directory; none where they are missing. */
export async function listLinks(directory: string): Promise<ReadonlyMap<string, string>> {
  const names = new Map<string, string>()
  const entries = await readdir(join(dirname(directory), 'containers')).catch(() => [])
  for (const entry of entries.slice(0, MAX_LINKS)) {
    const [, name, id] = LINK.exec(entry) ?? []
    if (name !== undefined && id !== undefined) names.set(id, name)
  }
  return names
}

export interface LoggedContainers {
  readonly names: readonly string[]
  /** Where the logs themselves are links into the runtime's directory of the container (Docker). */
  readonly byId: ReadonlyMap<string, string>
}

export async function listContainers(directory: string): Promise<LoggedContainers> {
  const entries = await readdir(directory).catch(() => [])
  const names = entries.filter((entry) => CONTAINER.test(entry)).slice(0, MAX_CONTAINERS)
  const byId = new Map<string, string>()
  for (const name of names) {
    for (const log of (await readdir(join(directory, name)).catch(() => [])).slice(0, MAX_CONTAINERS)) {
      const target = await readlink(join(directory, name, log)).catch(() => '')
      const id = CONTAINER_ID.exec(basename(dirname(target)))?.[1] ?? CONTAINER_ID.exec(basename(target))?.[1]
      if (id !== undefined) byId.set(id, name)
    }
  }
  return { names, byId }
}
