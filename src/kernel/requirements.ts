// What the machine must have for any program to load: kernel version, BTF, capabilities. Says what is missing, by name.
import { existsSync, readFileSync } from 'node:fs'
import { release } from 'node:os'

/** Linux 5.15: socket storage in iterators, and a socket's cgroup as a plain pointer. */
export const KERNEL_FLOOR = [5, 15] as const
/** From here on kernel.unprivileged_bpf_disabled keeps nobody from maps and iterators that he may open. */
const PINS_FLOOR = [5, 19] as const
export const BTF_PATH = '/sys/kernel/btf/vmlinux'

/** include/uapi/linux/capability.h. CAP_SYS_ADMIN stands for all three. */
const CAPABILITIES = { CAP_NET_ADMIN: 12, CAP_PERFMON: 38, CAP_BPF: 39 } as const
const CAP_SYS_ADMIN = 21

export type Capability = keyof typeof CAPABILITIES

const readStatus = (): string => readFileSync('/proc/self/status', 'utf8')

/** Is the bit in the set `CapEff`, `CapBnd`, ... of /proc/self/status? */
function inSet(status: string, set: string, bit: number): boolean {
  const bits = BigInt(`0x${new RegExp(`^${set}:\\s*([0-9a-f]+)`, 'm').exec(status)?.[1] ?? '0'}`)
  return ((bits >> BigInt(bit)) & 1n) === 1n
}

/** Which of the capabilities that loading needs are not in force. `status` is the text of /proc/self/status. */
export function missingCapabilities(status: string = readStatus()): readonly Capability[] {
  const has = (bit: number): boolean => inSet(status, 'CapEff', bit)
  const missing = (Object.keys(CAPABILITIES) as Capability[]).filter((name) => !has(CAPABILITIES[name]))
  // NET_ADMIN is not implied by SYS_ADMIN for attaching to a cgroup, but BPF and PERFMON are.
  return missing.filter((name) => name === 'CAP_NET_ADMIN' || !has(CAP_SYS_ADMIN))
}

/** Is this kernel release, such as `6.1.0-28-amd64`, new enough? */
export function isKernelSupported(version: string = release(), floor: readonly [number, number] = KERNEL_FLOOR): boolean {
  const [major = 0, minor = 0] = version.split(/[.-]/).map(Number)
  return major > floor[0] || (major === floor[0] && minor >= floor[1])
}

export interface Surroundings {
  /** The text of /proc/self/status. */
  readonly status?: string
  /** The kernel's. */
  readonly version?: string
}

/** What to do where bpf() refuses a call on what is pinned, which takes no capability by itself. `code` is the errno's name. */
export function remedyForPins(code: string, { status = readStatus(), version = release() }: Surroundings = {}): string {
  if (code !== 'EPERM') return ''
  const may = inSet(status, 'CapEff', CAPABILITIES.CAP_BPF) || inSet(status, 'CapEff', CAP_SYS_ADMIN)
  if (!may && !isKernelSupported(version, PINS_FLOOR)) {
    return `needs CAP_BPF in force on Linux before ${PINS_FLOOR.join('.')} (this is ${version})`
  }
  if (!/^Seccomp:\s*2$/m.test(status)) return 'a security module denies bpf()'
  if (inSet(status, 'CapBnd', CAPABILITIES.CAP_BPF)) return 'a seccomp profile denies bpf()'
  return "a seccomp profile denies bpf(): container runtimes' own allows it where CAP_BPF is in the bounding set (drop ALL, add BPF)"
}

/** One phrase for each thing that is missing; empty where nothing is. */
export function missingRequirements(btfPath: string = BTF_PATH): readonly string[] {
  const missing: string[] = []
  if (!isKernelSupported()) missing.push(`Linux ${KERNEL_FLOOR.join('.')} or newer (this is ${release()})`)
  if (!existsSync(btfPath)) missing.push(`kernel BTF at ${btfPath} (a kernel built with CONFIG_DEBUG_INFO_BTF, and /sys mounted)`)
  const capabilities = missingCapabilities()
  if (capabilities.length > 0) missing.push(capabilities.join(', '))
  return missing
}

const REMEDIES: Readonly<Record<string, string>> = {
  EACCES: 'this kernel cannot run it',
  EINVAL: 'this kernel cannot run it',
  ENOMEM: 'raise the memory limit, or lower ORB8_FLOW_ENTRIES',
  ENOENT: 'the kernel has no such hook',
}

/** What to do about a call that failed so: what the machine lacks where it lacks something. `code` is the errno's name. */
export function remedyFor(code: string): string {
  const missing = missingRequirements()
  if (missing.length > 0) return `needs ${missing.join('; ')}`
  if (code === 'EPERM') return 'a security module or a seccomp profile denies bpf()'
  return REMEDIES[code] ?? ''
}
