// Says what this host lacks for the exporter, and how to mend it: runs the checks in order and prints what they found.

import { quoted } from '../config/quote.ts'
import { loadConfig } from '../config.ts'
import { ConfigError, EXIT_REFUSED } from '../errors.ts'
import { leaveAtOnce } from '../kernel/leave.ts'
import { capabilities } from './diagnose/capabilities.ts'
import { type Check, type Finding, runChecks } from './diagnose/check.ts'
import { deviceChecks } from './diagnose/devices.ts'
import { dialledAddresses } from './diagnose/dialled-addresses.ts'
import { exporter } from './diagnose/exporter.ts'
import { btf, kernelVersion, lockdown } from './diagnose/kernel.ts'
import { kubernetesChecks } from './diagnose/kubernetes.ts'
import { bpffs, cgroup } from './diagnose/mounts.ts'
import { pidNamespace } from './diagnose/pid-namespace.ts'
import { pinPath } from './diagnose/pin-path.ts'
import { pinned } from './diagnose/pinned.ts'
import { libbpf, programs } from './diagnose/programs.ts'
import { asJson, asText } from './diagnose/report.ts'

export const DIAGNOSE_HELP = `Usage: orb8 diagnose [--output=text|json] [--name=value ...]

Checks what the exporter needs of this host: a line each with ok, warn or fail, what was
found, and how to mend it. Loads each kernel program for a trial and leaves nothing behind.
Where a Kubernetes API server is to be asked for names, it asks what it may and whether this
node is known there.
Where an exporter runs at the address of --listen, its numbers about itself follow, each
with what it should be; they are warnings at most, as is what dcgm-exporter, the driver, the
kubelet and RDMA ports do not tell of devices.
Takes the settings of orb8 export, as flags, in the environment or in a file. Ends with 1
where anything fails, with 2 where a setting is wrong.

  --output=FORMAT
      text or json; default: text
`

const OUTPUT = '--output'
const FORMATS: ReadonlyMap<string, (findings: readonly Finding[]) => string> = new Map([
  ['text', asText],
  ['json', asJson],
])

const settings = (warnings: readonly string[]): Check => ({
  name: 'settings',
  run: async () =>
    warnings.length === 0
      ? [{ check: 'settings', status: 'ok', found: 'valid', remedy: '' }]
      : warnings.map((found) => ({ check: 'settings', status: 'warn', found, remedy: '' })),
})

/** Prints to stdout. Resolves to the exit code. Throws ConfigError. */
export async function diagnose(argv: readonly string[]): Promise<number> {
  const allowed = [...FORMATS.keys()].join(' or ')
  const { config, warnings, flags } = await loadConfig({ argv, commandFlags: new Map([[OUTPUT, allowed]]) })
  const output = flags.get(OUTPUT) ?? 'text'
  const format = FORMATS.get(output)
  if (format === undefined) throw new ConfigError(OUTPUT, `${quoted(output)} is no format`, allowed)
  const takenOver = pinned(config.pinPath)
  const devices = deviceChecks(config)
  const findings = await runChecks([
    settings(warnings),
    kernelVersion(),
    btf(),
    lockdown(),
    capabilities({ pinned: takenOver }),
    cgroup(config.cgroupRoot),
    dialledAddresses(config.cgroupRoot, { pinned: takenOver }),
    bpffs(),
    pinPath(config.pinPath),
    pidNamespace(),
    libbpf(),
    programs({ pinned: takenOver }),
    ...kubernetesChecks(config),
    ...devices,
    exporter({ listen: config.listen, sizes: config }),
  ])
  process.stdout.write(format(findings))
  const code = findings.some(({ status }) => status === 'fail') ? EXIT_REFUSED : 0
  return devices.some(({ hangs }) => hangs === true) ? leaveAtOnce(code) : code
}
