// What the machine must have for any program to load: kernel version, BTF, capabilities. Says what is missing, by name.
import { existsSync, readFileSync } from 'node:fs'
import { release } from 'node:os'

/** Linux 5.15: socket storage in iterators, and a socket's cgroup as a plain pointer. */
export const KERNEL_FLOOR = [5, 15] as const
export const BTF_PATH = '/sys/kernel/btf/vmlinux'

/** include/uapi/linux/capability.h. CAP_SYS_ADMIN stands for all three. */
const CAPABILITIES = { CAP_NET_ADMIN: 12, CAP_PERFMON: 38, CAP_BPF: 39 } as const
const CAP_SYS_ADMIN = 21

export type Capability = keyof typeof CAPABILITIES

/** Which of the capabilities that loading needs are not in force. `status` is the text of /proc/self/status. */
export function missingCapabilities(status: string = readFileSync('/proc/self/status', 'utf8')): readonly Capability[] {
  const effective = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)/m.exec(status)?.[1] ?? '0'}`)
  const has = (bit: number): boolean => ((effective >> BigInt(bit)) & 1n) === 1n
  const missing = (Object.keys(CAPABILITIES) as Capability[]).filter((name) => !has(CAPABILITIES[name]))
  // NET_ADMIN is not implied by SYS_ADMIN for attaching to a cgroup, but BPF and PERFMON are.
  return missing.filter((name) => name === 'CAP_NET_ADMIN' || !has(CAP_SYS_ADMIN))
}

/** Is this kernel release, such as `6.1.0-28-amd64`, new enough? */
export function isKernelSupported(version: string = release()): boolean {
  const [major = 0, minor = 0] = version.split(/[.-]/).map(Number)
  return major > KERNEL_FLOOR[0] || (major === KERNEL_FLOOR[0] && minor >= KERNEL_FLOOR[1])
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
