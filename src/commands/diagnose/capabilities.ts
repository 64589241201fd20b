// Does this process hold the capabilities that loading and attaching needs, where they count?
import { readFile, readlink } from 'node:fs/promises'
import type { Check, Finding } from './check.ts'
import type { Pinned } from './pinned.ts'

// Bits of linux/capability.h.
const SYS_ADMIN = 21n
const NEEDED = [
  ['CAP_BPF', 39n, 'maps and every program'],
  ['CAP_PERFMON', 38n, 'TCP and datagrams: tracepoints, iterators, and all that reads a socket'],
  ['CAP_NET_ADMIN', 12n, 'datagrams: whatever is attached to the cgroups'],
] as const

/** PROC_USER_INIT_INO of the kernel: capabilities of any other user namespace are worth nothing to bpf(2). */
const FIRST_USER_NAMESPACE = 'user:[4026531837]'

export interface CapabilitiesOptions {
  readonly status?: string
  readonly userNamespace?: string
  /** What is pinned for this process takes none. */
  readonly pinned?: Pinned
}

export function capabilities(options: CapabilitiesOptions = {}): Check {
  const { status = '/proc/self/status', userNamespace = '/proc/self/ns/user', pinned } = options
  return {
    name: 'capabilities',
    run: async () => {
      const effective = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(await readFile(status, 'utf8'))?.[1] ?? '0'}`)
      const away = (await readlink(userNamespace)) !== FIRST_USER_NAMESPACE
      const findings = NEEDED.map(([name, bit, purpose]) => finding(name, effective, bit, purpose, away))
      return (await pinned?.()) === undefined ? findings : findings.map(spared)
    },
  }
}

/** Without it nothing new is loaded, but what is pinned goes on. */
function spared(found: Finding): Finding {
  if (found.status === 'ok') return found
  return { ...found, status: 'ok', found: `${found.found}, nor needed with what is pinned`, remedy: '' }
}

function finding(name: string, effective: bigint, bit: bigint, purpose: string, away: boolean): Finding {
  const has = (wanted: bigint): boolean => ((effective >> wanted) & 1n) === 1n
  const short = name.slice('CAP_'.length)
  const grant = `run as root, or add ${short} (systemd AmbientCapabilities=${name}, Kubernetes capabilities.add: [${short}])`
  if (!has(bit) && !has(SYS_ADMIN)) return { check: name, status: 'fail', found: 'not held', remedy: `for ${purpose}: ${grant}` }
  if (away) return { check: name, status: 'fail', found: 'held in a user namespace only', remedy: "run in the host's user namespace" }
  if (has(bit)) return { check: name, status: 'ok', found: 'held', remedy: '' }
  // Attaching to a cgroup asks for it by name before BPF tokens came (bpf_prog_attach_check_attach_type).
  if (name === 'CAP_NET_ADMIN')
    return { check: name, status: 'warn', found: 'CAP_SYS_ADMIN only', remedy: `older kernels want it: ${grant}` }
  return { check: name, status: 'ok', found: 'held by way of CAP_SYS_ADMIN', remedy: '' }
}
