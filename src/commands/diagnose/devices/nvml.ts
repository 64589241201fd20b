// Is the driver's library there, does each GPU answer, and can its processes be told apart? Knows what one collection gives.
import { existsSync } from 'node:fs'
import { NvmlCollector, type NvmlCollectorOptions } from '../../../collect/nvml.ts'
import type { Config } from '../../../config.ts'
import { Orb8Error } from '../../../errors.ts'
import { NvmlError } from '../../../kernel/nvml-codes.ts'
import { findCgroupRoot } from '../../../resolve/cgroup-root.ts'
import type { Check, Finding } from '../check.ts'
import { counted, gpusIn } from './gpus-in.ts'

/** A GPU that nothing keeps awake takes seconds to answer. */
const LIMIT_MS = 8000
const THREADS = 2
/** There while the kernel module is loaded, also in containers. */
const DRIVER = '/proc/driver/nvidia/version'
export interface NvmlCheckOptions extends Pick<NvmlCollectorOptions, 'paths' | 'limitMs'> {
  readonly driver?: string
}

/** The exporter runs without it: a warning at most. */
export function nvml({ nvml: mode, cgroupRoot }: Pick<Config, 'nvml' | 'cgroupRoot'>, options: NvmlCheckOptions = {}): Check {
  const { driver = DRIVER, limitMs = LIMIT_MS, ...places } = options
  let collector: NvmlCollector | undefined
  return {
    name: 'nvml',
    get hangs() {
      return collector?.hangs === true
    },
    run: async () => {
      if (mode === 'off') return [finding('ok', 'off: GPUs are read from dcgm-exporter alone, if any')]
      const root = await findCgroupRoot(cgroupRoot).catch(() => ({ path: '' }))
      collector = new NvmlCollector({ mode: 'on', cgroupRoot: root.path, threads: THREADS, limitMs, ...places })
      try {
        return [await look(collector)]
      } catch (error) {
        return [explained(error, mode === 'on' || existsSync(driver))]
      } finally {
        await collector.close()
      }
    },
  }
}

async function look(collector: NvmlCollector): Promise<Finding> {
  const { driverVersion = '', samples = [], processes = [], failures = new Map() } = (await collector.collect()) ?? {}
  const found = `driver ${driverVersion}: ${gpusIn(samples)}, ${counted(processes.length, 'process', 'processes')}`
  const failed = [...failures].map(([reason, times]) => `${times} ${reason}`)
  if (failed.length > 0)
    return finding('warn', `${found}; of the questions failed ${failed.join(', ')}`, 'see nvidia-smi, and dmesg for XID errors')
  const lost = processes.filter(({ cgroupPath }) => cgroupPath === '').length
  if (lost === 0) return finding('ok', found)
  return finding('warn', `${found}, ${lost} of them of no cgroup to be seen`, "share the host's PID namespace (Kubernetes hostPID: true)")
}

function explained(error: unknown, wanted: boolean): Finding {
  if (!(error instanceof Orb8Error)) throw error
  const found = `cannot ${error.deed}: ${error.reason}`
  if (!wanted && error instanceof NvmlError && error.failure === 'driver') return finding('ok', 'no NVIDIA driver here')
  return finding('warn', found, error.remedy)
}

const finding = (status: Finding['status'], found: string, remedy = ''): Finding => ({ check: 'nvml', status, found, remedy })
