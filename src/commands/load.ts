// Loads, attaches and pins the kernel programs, and ends: the one step that needs privileges. Counts nothing.
import { loadConfig } from '../config.ts'
import { ConfigError } from '../errors.ts'
import { setLibbpfLog } from '../kernel/libbpf.ts'
import { createLogger } from '../log.ts'
import { findCgroupRoot } from '../resolve/cgroup-root.ts'
import { openPins, startCounting } from './load/start-counting.ts'

export const LOAD_HELP = `Usage: orb8 load --pin-path=PATH [--name=value ...]

Loads and attaches the kernel programs and pins them with their maps and the memory of all
series that --series-limit allows, then ends: they count from here on, and orb8 export with
the same settings takes them over. Where something is pinned already it goes on: programs of
another version are replaced, nothing that was counted is lost. Takes the settings of
orb8 export. Needs CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN.
`

/** Resolves to the exit code. Throws Orb8Error. */
export async function load(argv: readonly string[]): Promise<number> {
  const { config, warnings } = await loadConfig({ argv })
  const log = createLogger(config.logLevel)
  for (const warning of warnings) log.warn(warning)
  if (config.pinPath === undefined)
    throw new ConfigError('ORB8_PIN_PATH', 'is not set', 'the directory to pin to, such as /sys/fs/bpf/orb8')
  setLibbpfLog((_level, line) => log.debug({ libbpf: line }))
  const root = await findCgroupRoot(config.cgroupRoot)
  if (root.warning !== undefined) log.warn(root.warning)
  await using counting = await startCounting(config, root.path, openPins(config), { whole: true })
  const { datapath } = counting
  const observed = datapath.followDials().filter(({ state }) => state === 'observes')
  // Whoever was read before is not read by this: its gap is for the exporter to tell.
  if (datapath.origin === 'made') await datapath.beat()
  for (const { program, reason, remedy } of datapath.refused) log.warn({ program, reason, remedy }, 'the kernel refused a program')
  const programs = [...datapath.programs()].filter(([, runs]) => runs).length
  const [dialsAt] = observed.map(({ cgroup }) => cgroup)
  log.info({ path: config.pinPath, origin: datapath.origin, programs, cgroupRoot: root.path, dialsAt }, 'loaded')
  return 0
}
