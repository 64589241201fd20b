// Is libbpf there and new enough, and does this kernel take each of our programs?
import { libbpfVersion } from '../../kernel/libbpf.ts'
import { type ProgramProbe, probePrograms } from '../../kernel/probe.ts'
import { missingCapabilities } from '../../kernel/requirements.ts'
import type { Check, Finding } from './check.ts'
import type { Pinned } from './pinned.ts'

const OLDEST = { major: 1, minor: 1 }

/** `version` throws where the library is missing; that is a finding too. */
export function libbpf(version: () => string = libbpfVersion): Check {
  return {
    name: 'libbpf',
    run: async () => {
      const found = version()
      const [major = 0, minor = 0] = found.split('.', 2).map((part) => Number.parseInt(part, 10))
      const enough = major > OLDEST.major || (major === OLDEST.major && minor >= OLDEST.minor)
      const remedy = enough ? '' : `install libbpf ${OLDEST.major}.${OLDEST.minor} or newer (Debian 12's libbpf1 is)`
      return [{ check: 'libbpf', status: enough ? 'ok' : 'fail', found: `version ${found}`, remedy }]
    },
  }
}

export interface ProgramsOptions {
  readonly probe?: () => Promise<readonly ProgramProbe[]>
  /** What runs already for a process that may not load. */
  readonly pinned?: Pinned
  readonly mayLoad?: () => boolean
}

/** A trial load of each; nothing is attached and nothing stays. Of those that are pinned for this process, how their loading went. */
export function programs(options: ProgramsOptions = {}): Check {
  const { probe = probePrograms, pinned, mayLoad = () => !missingCapabilities().includes('CAP_BPF') } = options
  return {
    name: 'programs',
    run: async () => {
      const about = mayLoad() ? undefined : await pinned?.()
      if (about === undefined) return (await probe()).map(({ ok, ...rest }) => finding(rest, ok ? 'loads' : undefined))
      const reasons = new Map(about.refused.map((refusal) => [refusal.program, refusal]))
      return about.programs.map((program) => {
        const refusal = reasons.get(program)
        return refusal === undefined ? finding({ program, reason: '', remedy: '' }, 'pinned, and runs') : finding(refusal)
      })
    },
  }
}

/** `ok` is what to say where it is. */
function finding({ program, reason, remedy }: Omit<ProgramProbe, 'ok'>, ok?: string): Finding {
  return { check: `program ${program}`, status: ok === undefined ? 'fail' : 'ok', found: ok ?? reason, remedy }
}
