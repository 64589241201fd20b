// A socket load balancer at the root of the cgroups, as Cilium has it: a program that rewrites what is dialled. Knows nothing of who looks.
import { join } from 'node:path'
import { parseAddress } from '../../src/address.ts'
import { Links, programFd } from '../../src/kernel/attach.ts'
import type { BpfProgram } from '../../src/kernel/libbpf.ts'
import { programId, putEntry } from '../../src/kernel/maps.ts'
import { loadObject } from '../../src/kernel/object.ts'
import { CGROUP_ROOT } from './cgroups.ts'
import { run } from './child.ts'
import { compileBpf } from './compile.ts'
import type { Undo } from './undo.ts'

const ROOT = join(import.meta.dirname, '..', '..')
const SOURCE = join(ROOT, 'test', 'kernel', 'rewriting.bpf.c')

/** An address and a port. */
export type End = readonly [string, number]

/** As bpftool names programs and hooks. */
function aloneAt(deed: 'attach' | 'detach', cgroup: string, name: string, program: BpfProgram, ...flags: string[]): void {
  run('bpftool', 'cgroup', deed, cgroup, name.replace(/^rewrite_/, ''), 'id', String(programId(programFd(program))), ...flags)
}

export interface Balancer {
  /** What is dialled there goes here from now on. */
  balance(service: End, backend: End): void
  end(): void
}

function encode([text, port]: End): Buffer {
  const address = parseAddress(text)
  if (address === undefined) throw new Error(text)
  const end = Buffer.alloc(20)
  end.write(address, 'latin1')
  end.writeUInt16BE(port, 16)
  return end
}

/** Rewrites nothing yet. Runs for every socket below `cgroup`; `alone`: attached without BPF_F_ALLOW_MULTI, as of
 * old, or to be replaced by whoever comes below. */
export function startBalancer(undo: Undo, cgroup: string = CGROUP_ROOT, { alone }: { alone?: 'exclusive' | 'override' } = {}): Balancer {
  const object = loadObject(compileBpf(SOURCE, join(ROOT, 'dist', 'test')), { entries: {}, values: {} })
  const links = new Links()
  let over = false
  const end = (): void => {
    if (over) return
    over = true
    if (alone !== undefined) for (const [name, program] of object.programs()) aloneAt('detach', cgroup, name, program)
    links[Symbol.dispose]()
    object[Symbol.dispose]()
  }
  undo.add({ gently: end, atOnce: end })
  for (const [name, program] of object.programs()) {
    if (alone !== undefined) aloneAt('attach', cgroup, name, program, ...(alone === 'override' ? ['override'] : []))
    else links.attachToCgroup(name, program, cgroup)
  }
  return { balance: (service, backend) => putEntry(object.fd('services'), encode(service), encode(backend)), end }
}
