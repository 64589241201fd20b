// What there is to check where the node is, or should be, one of a Kubernetes cluster. Puts checks together; makes none.
import { homedir } from 'node:os'
import { type Config, serviceAddress } from '../../config.ts'
import type { Check } from './check.ts'
import { type ApiWorld, kubernetesApi } from './kubernetes/api.ts'
import { podCgroups } from './kubernetes/pod-cgroups.ts'
import { podLogs } from './kubernetes/pod-logs.ts'

const thisProcess = (): ApiWorld => ({ serviceAddress: serviceAddress(), home: homedir() })

export function kubernetesChecks(config: Config, world: ApiWorld = thisProcess()): readonly Check[] {
  const { kubernetes, kubeconfig, cgroupRoot, podLogsDir } = config
  const named = kubernetes === 'on' || kubeconfig.length > 0 || world.serviceAddress !== undefined
  const expected = kubernetes !== 'off' && named
  return [kubernetesApi(config, world), podCgroups(cgroupRoot, expected), podLogs(podLogsDir, expected)]
}
