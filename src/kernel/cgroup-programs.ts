// What is attached to cgroups, by whomever, as the kernel tells it. Knows the calls and their structs; nothing of what programs do.
import { closeSync, existsSync, openSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { check, errnoName, type Fd, libbpf } from './libbpf.ts'

/** include/uapi/linux/bpf.h */
const BPF_F_ALLOW_MULTI = 2
const BPF_F_QUERY_EFFECTIVE = 1
/** More than the kernel allows at one hook of one cgroup. */
const MAX_PROGRAMS = 1024
/** struct bpf_link_info up to cgroup.attach_type. */
const LINK_INFO_BYTES = 32
const PROGRAM_AT = 8
const CGROUP_AT = 16

/** The kernel's numbers of the programs that run at this hook for a socket in the cgroup. Throws KernelError. */
export function programsAt(cgroup: string, hook: number): readonly number[] {
  const ids = Buffer.alloc(MAX_PROGRAMS * 4)
  const count = [MAX_PROGRAMS]
  query(cgroup, hook, BPF_F_QUERY_EFFECTIVE, [0], ids, count)
  return Array.from({ length: count[0] ?? 0 }, (_, at) => ids.readUInt32LE(at * 4))
}

/** The cgroups above, nearest first, as far as they are to be seen here. */
export function cgroupsAbove(cgroup: string): readonly string[] {
  const parent = dirname(cgroup)
  return existsSync(join(parent, 'cgroup.procs')) ? [parent, ...cgroupsAbove(parent)] : []
}

/**
 * Has this cgroup itself a program that runs alone? One attached below would be refused, or (BPF_F_ALLOW_OVERRIDE) run in its place. Throws
 * KernelError.
 */
export function isExclusive(cgroup: string, hook: number): boolean {
  const [flags, count] = [[0], [MAX_PROGRAMS]]
  query(cgroup, hook, 0, flags, Buffer.alloc(MAX_PROGRAMS * 4), count)
  return (count[0] ?? 0) > 0 && ((flags[0] ?? 0) & BPF_F_ALLOW_MULTI) === 0
}

function query(cgroup: string, hook: number, how: number, flags: number[], ids: Buffer, count: number[]): void {
  const fd = openSync(cgroup, 'r')
  try {
    check(`ask what is attached to ${cgroup}`, libbpf().bpf.bpf_prog_query(fd, hook, how, flags, ids, count))
  } finally {
    closeSync(fd)
  }
}

export interface CgroupLink {
  readonly program: number
  /** Id of the cgroup; 0 where it is gone. */
  readonly cgroup: bigint
}

/** Where a link to a cgroup is, and whose it is. */
export function cgroupLink(link: Fd): CgroupLink {
  const info = Buffer.alloc(LINK_INFO_BYTES)
  check('ask for a link', libbpf().bpf.bpf_obj_get_info_by_fd(link, info, [info.length]))
  return { program: info.readUInt32LE(PROGRAM_AT), cgroup: info.readBigUInt64LE(CGROUP_AT) }
}

/** Attaches beside whatever is there and above. Answers the link, or the errno's name. */
export function attachBeside(program: Fd, cgroup: string, hook: number): Fd | string {
  const fd = openSync(cgroup, 'r')
  try {
    const link = libbpf().bpf.bpf_link_create(program, fd, hook, null) as number
    return link < 0 ? errnoName(link) : (link as Fd)
  } finally {
    closeSync(fd)
  }
}
