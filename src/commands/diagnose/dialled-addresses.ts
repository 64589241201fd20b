// Does a socket load balancer rewrite what pods dial, and can it be seen before? Knows where observers go; nothing of who balances.
import { KernelError } from '../../errors.ts'
import { cgroupsAbove, isExclusive, programsAt } from '../../kernel/cgroup-programs.ts'
import { ALONE, DIAL_HOOKS } from '../../kernel/dial-observers.ts'
import { findPodCgroup } from '../../kernel/pod-cgroup.ts'
import { findCgroupRoot } from '../../resolve/cgroup-root.ts'
import type { Check, Finding } from './check.ts'
import type { Pinned } from './pinned.ts'

const CHECK = 'dialled_addresses'
const SHOWN = 'Services behind a socket load balancer are shown as their pods'

const finding = (status: Finding['status'], found: string, remedy = ''): readonly Finding[] => [{ check: CHECK, status, found, remedy }]

export interface DialledAddressesOptions {
  /** What is pinned for this process was attached by one that may ask. */
  readonly pinned?: Pinned
}

/** `setting` is Config.cgroupRoot. */
export function dialledAddresses(setting: string, { pinned }: DialledAddressesOptions = {}): Check {
  return {
    name: CHECK,
    run: async () => {
      const { path } = await findCgroupRoot(setting)
      try {
        return look(path)
      } catch (error) {
        if (!(error instanceof KernelError)) throw error
        if (error.code === 'EPERM' && (await pinned?.()) !== undefined)
          return finding('ok', 'not for this process to ask: observed where orb8 load found that somebody may rewrite them')
        return finding('warn', `nobody tells who rewrites them: ${error.reason}`, error.remedy)
      }
    },
  }
}

function look(root: string): readonly Finding[] {
  const pods = findPodCgroup(root)
  const rewritten = [...DIAL_HOOKS].filter(([, hook]) => programsAt(pods ?? root, hook).length > 0)
  const names = rewritten.map(([name]) => name.replace('orb8_', '')).join(', ')
  if (rewritten.length === 0) return finding('ok', 'nobody rewrites what is dialled')
  const found = `other programs at ${names} may rewrite what is dialled`
  if (pods === undefined)
    return finding('warn', `${found}, and below ${root} is no cgroup of pods`, `${SHOWN}: start once the kubelet runs`)
  const alone = cgroupsAbove(pods).find((cgroup) => rewritten.some(([, hook]) => isExclusive(cgroup, hook)))
  if (alone !== undefined) return finding('warn', `${found}, and let nobody look before, at ${alone}`, `${SHOWN}: ${ALONE}`)
  return finding('ok', `${found}: observed before, at ${pods}`)
}
