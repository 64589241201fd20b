// Finds the cgroup that all pods of the node are below. Knows how kubelets name it; nothing of pods.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** `kubepods` and `kubepods.slice`, below a slice named by the kubelet's --cgroup-root: `kubelet-kubepods.slice`. */
const NAME = /^(?:[\w-]+-)?kubepods(?:\.slice)?$/
/** A kind node seen from its host: /system.slice/docker-ID.scope/kubelet.slice/kubelet-kubepods.slice. */
const DEPTH = 4
/** Some 15 us each. A host has a hundred or two outside of pods. */
const MAX_DIRECTORIES = 512

/**
 * The nearest to the root, one with processes in it before any other: another driver leaves an empty one behind. Undefined where
 * there is none.
 */
export function findPodCgroup(root: string): string | undefined {
  const found: string[] = []
  let level = [root]
  let read = 0
  for (let depth = 0; depth < DEPTH; depth++) {
    const next: string[] = []
    for (const directory of level) {
      if (read++ === MAX_DIRECTORIES) return found.find(hasProcesses) ?? found[0]
      for (const name of children(directory)) (NAME.test(name) ? found : next).push(join(directory, name))
    }
    level = next
  }
  return found.find(hasProcesses) ?? found[0]
}

/** Also below it. False where it is gone. */
export function hasProcesses(cgroup: string): boolean {
  try {
    return /^populated 1$/m.test(readFileSync(join(cgroup, 'cgroup.events'), 'latin1'))
  } catch {
    return false
  }
}

/** In the order of their names; none where it has gone meanwhile. */
function children(directory: string): readonly string[] {
  try {
    const entries = readdirSync(directory, { withFileTypes: true })
    return entries
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name)
      .sort()
  } catch {
    return []
  }
}
