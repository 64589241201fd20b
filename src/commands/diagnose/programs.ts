// Is libbpf there and new enough, and does this kernel take each of our programs?
import { libbpfVersion } from '../../kernel/libbpf.ts'
import { type ProgramProbe, probePrograms } from '../../kernel/probe.ts'
import type { Check } from './check.ts'

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

/** A trial load of each; nothing is attached and nothing stays. */
export function programs(probe: () => Promise<readonly ProgramProbe[]> = probePrograms): Check {
  return {
    name: 'programs',
    run: async () =>
      (await probe()).map(({ program, ok, reason, remedy }) => ({
        check: `program ${program}`,
        status: ok ? 'ok' : 'fail',
        found: ok ? 'loads' : reason,
        remedy,
      })),
  }
}
