// What of this test is still there when it should not: kernel objects, pins, devices, and its own cgroups and namespaces.
import { traces } from '../../scripts/leftovers.ts'
import { cgroupsLeft } from './cgroups.ts'
import { namespacesLeft } from './namespaces.ts'

export { traces }

/** Told in words, against what was there before. */
export function leftSince(before: ReadonlySet<string>): string[] {
  return [
    ...[...traces()].filter((trace) => !before.has(trace)),
    ...cgroupsLeft().map((name) => `cgroup ${name}`),
    ...namespacesLeft().map((name) => `namespace ${name}`),
  ]
}
