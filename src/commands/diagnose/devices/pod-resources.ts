// Does the kubelet say who holds which device? Knows the setting and what it answers.
import { existsSync, readdirSync } from 'node:fs'
import type { Config } from '../../../config.ts'
import { Orb8Error } from '../../../errors.ts'
import { gpuResources } from '../../../resolve/gpu-resources.ts'
import type { Held } from '../../../resolve/pod-resources.ts'
import type { Check, Finding } from '../check.ts'
import { counted } from './gpus-in.ts'

const WAIT_MS = 10_000
const DRIVER = '/proc/driver/nvidia/version'
const RDMA = '/sys/class/infiniband'

export type PodResourcesSettings = Pick<Config, 'podResourcesSocket' | 'dcgmUrl'>

export interface DevicePlaces {
  readonly driver?: string
  readonly rdma?: string
}

/** The exporter runs without it: a warning at most, and only where there are devices to hold. */
export function podResources({ podResourcesSocket: socket, dcgmUrl }: PodResourcesSettings, places: DevicePlaces = {}): Check {
  return {
    name: 'pod_resources',
    run: async () => {
      if (socket === undefined) return [finding('ok', 'not set: devices bear the pods that dcgm-exporter names, if any')]
      if (existsSync(socket)) return [await ask(socket)]
      const wanted = dcgmUrl !== undefined || hasDevices(places)
      const remedy = 'on a Kubernetes node mount the directory /var/lib/kubelet/pod-resources (not the socket: each kubelet makes its own)'
      return [
        wanted
          ? finding('warn', `no socket at ${socket}: no kubelet says whose devices are`, remedy)
          : finding('ok', `no socket at ${socket}`),
      ]
    },
  }
}

async function ask(socket: string): Promise<Finding> {
  const { PodResources } = await import('../../../resolve/pod-resources.ts')
  const kubelet = new PodResources({ socket, waitMs: WAIT_MS })
  try {
    const held = await kubelet.ask()
    return finding('ok', held === undefined ? `no socket at ${socket}` : `kubelet answers at ${socket}: ${told(held)}`)
  } catch (error) {
    if (!(error instanceof Orb8Error)) throw error
    return finding('warn', `cannot ${error.deed}: ${error.reason}`, error.remedy || 'see the log of the kubelet')
  } finally {
    kubelet.close()
  }
}

/** `3 devices in use, nvidia.com/gpu 1 of 2` */
function told(held: Held): string {
  const gpus = gpuResources(held).map(({ resource, allocated, allocatable = '?' }) => `${resource} ${allocated} of ${allocatable}`)
  return [`${counted(held.holdings.length, 'device')} in use`, ...gpus].join(', ')
}

function hasDevices({ driver = DRIVER, rdma = RDMA }: DevicePlaces): boolean {
  return existsSync(driver) || (existsSync(rdma) && readdirSync(rdma).length > 0)
}

const finding = (status: Finding['status'], found: string, remedy = ''): Finding => ({ check: 'pod_resources', status, found, remedy })
