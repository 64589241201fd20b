// What of this test is still there when it should not: kernel objects, pins, devices, and its own cgroups and namespaces.
import { traces } from '../../scripts/leftovers.ts'
import { BPFFS } from './bpffs.ts'
import { cgroupsLeft } from './cgroups.ts'
import { namespacesLeft } from './namespaces.ts'

export { traces }

/** The kernel frees programs and maps a grace period after their last user. */
const GRACE_MS = 5000

/** What was not there before and stays for all of the grace, told in words; other tests' things may come and go meanwhile. */
export async function leftSince(before: ReadonlySet<string>): Promise<string[]> {
  const end = performance.now() + GRACE_MS
  let left = now().filter((trace) => !before.has(trace))
  while (left.length > 0 && performance.now() < end) {
    await new Promise((resolve) => setTimeout(resolve, 50))
    const there = new Set(now())
    left = left.filter((trace) => there.has(trace))
  }
  return left
}

function now(): string[] {
  return [
    ...[...traces()].filter((trace) => !trace.includes(BPFFS) || trace.includes(`${BPFFS}${process.pid}-`)),
    ...cgroupsLeft().map((name) => `own cgroup ${name}`),
    ...namespacesLeft().map((name) => `own network namespace ${name}`),
  ]
}
