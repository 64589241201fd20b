// Puts itself under a seccomp filter and becomes the command behind `--`: `node seccomp-exec.ts default [CAPABILITY ...] -- COMMAND ...`
// with the rules of container runtimes' default profile, the capabilities being those of the bounding set, such as `bpf`; or
// `node seccomp-exec.ts only NAME ... -- COMMAND ...` with no system calls but these.
import { getSystemErrorName } from 'node:util'
import koffi from 'koffi'

/**
 * What Docker 23 and newer and containerd 1.7 and newer refuse a container; of what only one of them refuses, that too. Whatever else
 * libseccomp knows by name is allowed, what it does not know is refused.
 */
const REFUSED = `
  _sysctl acct add_key adjtimex afs_syscall chroot clock_adjtime clock_settime create_module delete_module fanotify_init finit_module
  fsconfig fsmount fsopen fspick get_kernel_syms get_mempolicy getpmsg init_module io_uring_enter io_uring_register io_uring_setup
  ioperm iopl kcmp kexec_file_load kexec_load keyctl lookup_dcookie mbind migrate_pages mount mount_setattr move_mount move_pages
  name_to_handle_at nfsservctl open_by_handle_at open_tree pidfd_getfd pivot_root process_madvise process_vm_readv process_vm_writev
  ptrace putpmsg query_module quotactl quotactl_fd reboot request_key security set_mempolicy set_mempolicy_home_node setdomainname
  sethostname setns settimeofday stime swapoff swapon sysfs syslog tuxcall umount umount2 unshare uselib userfaultfd ustat vhangup
  vserver`
  .trim()
  .split(/\s+/)
/** Allowed where a capability of the bounding set says so. */
const BY_CAPABILITY: Readonly<Record<string, string>> = { bpf: 'bpf', perf_event_open: 'perfmon' }
/** All CLONE_NEW flags that make a namespace. */
const NEW_NAMESPACES = 0x7e020000n

// linux/seccomp.h and seccomp.h
const ALLOW = 0x7fff0000
const errno = (code: number): number => 0x00050000 | code
const [EPERM, ENOSYS] = [1, 38]
const CMP_MASKED_EQ = 7
const LAST_KNOWN = 600

const library = koffi.load('libseccomp.so.2')
koffi.struct('scmp_arg_cmp', { arg: 'unsigned int', op: 'int', datum_a: 'uint64_t', datum_b: 'uint64_t' })
const init = library.func('void *seccomp_init(uint32_t action)')
const nativeArch = library.func('uint32_t seccomp_arch_native()')
const nameOf = library.func('char *seccomp_syscall_resolve_num_arch(uint32_t arch, int number)')
const addRule = library.func(
  'int seccomp_rule_add_array(void *filter, uint32_t action, int number, unsigned int count, scmp_arg_cmp *args)',
)
const load = library.func('int seccomp_load(void *filter)')

function check(deed: string, result: number): void {
  if (result < 0) throw new Error(`${deed}: ${getSystemErrorName(result)}`)
}

/** By the name of a system call: without a rule it is refused. */
type Rule = (name: string) => 'allow' | 'without namespaces' | 'unknown' | undefined

function runtimeDefault(bounding: ReadonlySet<string>): Rule {
  return (name) => {
    const capability = BY_CAPABILITY[name]
    if (REFUSED.includes(name) || (capability !== undefined && !bounding.has(capability))) return undefined
    return name === 'clone' ? 'without namespaces' : name === 'clone3' ? 'unknown' : 'allow'
  }
}

function confine(rule: Rule): void {
  const filter = init(errno(EPERM))
  const arch = nativeArch()
  for (let number = 0; number < LAST_KNOWN; number++) {
    const name = nameOf(arch, number) as string | null
    const what = name === null ? undefined : rule(name)
    if (name === null || what === undefined) continue
    if (what === 'without namespaces') {
      const argument = { arg: 0, op: CMP_MASKED_EQ, datum_a: NEW_NAMESPACES, datum_b: 0n }
      check(name, addRule(filter, ALLOW, number, 1, [argument]))
    } else check(name, addRule(filter, what === 'unknown' ? errno(ENOSYS) : ALLOW, number, 0, null))
  }
  check('load the filter', load(filter)) // of this thread, which is the one that execve() leaves
}

const end = process.argv.indexOf('--')
const [profile, ...names] = process.argv.slice(2, end)
const [program = '', ...args] = process.argv.slice(end + 1)
confine(profile === 'default' ? runtimeDefault(new Set(names)) : (name) => (names.includes(name) ? 'allow' : undefined))
process.execve?.(program, [program, ...args], process.env)
