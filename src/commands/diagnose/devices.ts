// The checks of what GPUs and RDMA ports are read from, in order. Knows no device.
import type { Config } from '../../config.ts'
import type { Check } from './check.ts'
import { dcgm } from './devices/dcgm.ts'
import { nvml } from './devices/nvml.ts'
import { podResources } from './devices/pod-resources.ts'
import { rdma } from './devices/rdma.ts'

export function deviceChecks(config: Config): readonly Check[] {
  return [dcgm(config), nvml(config), podResources(config), rdma()]
}
