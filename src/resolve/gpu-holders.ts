// Finds the device that each holding is of. Knows ids and devices; nothing of what is measured.
import type { DeviceHolder, GpuDevice } from '../model.ts'
import { DRA_DRIVER, type GpuId, readDraGpu, readGpuId } from './gpu-id.ts'
import type { Holding } from './pod-resources-messages.ts'

/** UUID of a device that a DRA driver has published in a pool, of a GPU or a MIG instance: as ResourceSlices say. */
export type DraUuid = (pool: string, device: string) => string | undefined

export interface Placed {
  /** By `deviceKey`. */
  readonly holders: ReadonlyMap<string, readonly DeviceHolder[]>
  /** Holdings of GPUs that no device answers to. */
  readonly unplaced: number
}

/** Of a GPU, or of one MIG instance. */
export function deviceKey({ uuid, index, migInstance }: Pick<GpuDevice, 'uuid' | 'index' | 'migInstance'>): string {
  return `${uuid === '' ? index : uuid} ${migInstance}`
}

export function placeHoldings(holdings: readonly Holding[], devices: readonly GpuDevice[], draUuid: DraUuid): Placed {
  const finder = new Finder(devices)
  const holders = new Map<string, DeviceHolder[]>()
  let unplaced = 0
  for (const { namespace, pod, container, resource, id, pool } of holdings) {
    const isClaim = pool !== undefined
    if (isClaim && resource !== DRA_DRIVER) continue
    const told = isClaim ? draUuid(pool, id) : id
    const gpuId = told === undefined ? undefined : readGpuId(told)
    if (gpuId === undefined && !isClaim) continue
    const device = gpuId === undefined ? finder.ofDra(id) : finder.of(gpuId)
    if (device === undefined) unplaced++
    else {
      const key = deviceKey(device)
      const known = holders.get(key) ?? []
      holders.set(key, known)
      known.push({ namespace, pod, container, share: gpuId?.share === true })
    }
  }
  return { holders, unplaced }
}

class Finder {
  readonly #byUuid = new Map<string, GpuDevice>()
  readonly #byMigUuid = new Map<string, GpuDevice>()
  readonly #byMinor = new Map<string, GpuDevice>()
  readonly #byIndex = new Map<string, GpuDevice>()

  constructor(devices: readonly GpuDevice[]) {
    for (const device of devices) {
      const of = ` ${device.migInstance}`
      this.#byUuid.set(device.uuid + of, device)
      this.#byIndex.set(device.index + of, device)
      if (device.minor !== '') this.#byMinor.set(device.minor + of, device)
      for (const uuid of device.migUuids) this.#byMigUuid.set(uuid, device)
    }
  }

  of({ uuid, migUuid, minor, migInstance }: GpuId): GpuDevice | undefined {
    if (migUuid !== '') return this.#byMigUuid.get(migUuid)
    if (uuid !== '') return this.#byUuid.get(`${uuid} ${migInstance}`)
    const key = `${minor} ${migInstance}`
    return this.#byMinor.get(key) ?? (this.#byMinor.size === 0 ? this.#byIndex.get(key) : undefined)
  }

  /** Where the number may mean two devices it means none. */
  ofDra(name: string): GpuDevice | undefined {
    const number = readDraGpu(name)
    if (number === undefined) return undefined
    const found = [this.#byMinor.get(`${number} `), this.#byIndex.get(`${number} `)].filter((device) => device !== undefined)
    return new Set(found).size === 1 ? found[0] : undefined
  }
}
