// How many devices of each GPU resource kubelet can hand out and has handed out. Counts ids; nothing of devices.
import type { DeviceResource } from '../model.ts'
import { readGpuId } from './gpu-id.ts'
import type { Held } from './pod-resources.ts'

/** A plugin has one a MIG profile, some tens at most. */
const MOST = 256

export function gpuResources({ holdings, allocatable }: Held): DeviceResource[] {
  const totals = new Map<string, { allocatable: number | undefined; allocated: number }>()
  const of = (resource: string) => {
    const known = totals.get(resource) ?? { allocatable: undefined, allocated: 0 }
    if (totals.size < MOST) totals.set(resource, known)
    return known
  }
  for (const [resource, ids] of allocatable ?? []) {
    const gpus = ids.filter((id) => readGpuId(id) !== undefined).length
    if (gpus > 0) of(resource).allocatable = gpus
  }
  for (const { resource, id, pool } of holdings) if (pool === undefined && readGpuId(id) !== undefined) of(resource).allocated++
  return [...totals].map(([resource, total]) => ({ resource, ...total }))
}
