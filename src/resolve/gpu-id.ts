// Reads the ids by which kubelet, device plugins and DRA drivers name GPUs. Text only; knows no device.

/** What an id says; texts are empty where it does not. */
export interface GpuId {
  /** `GPU-...` */
  readonly uuid: string
  /** `MIG-...`, of a compute instance. */
  readonly migUuid: string
  /** N of /dev/nvidiaN. */
  readonly minor: string
  /** The GPU instance's number. */
  readonly migInstance: string
  /** One of several shares of the device. */
  readonly share: boolean
}

const NOTHING: GpuId = { uuid: '', migUuid: '', minor: '', migInstance: '', share: false }

/** `GPU-...::3`, `MIG-...::3`: time-slicing and MPS. */
const SHARE = /::\d+$/
/** Plugins that split memory and cores put a number behind the UUID. */
const SPLIT = /^(GPU-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})-\d+$/i
/** Drivers before 470. */
const OLD_MIG = /^MIG-(GPU-[\w-]+)\/(\d+)\/\d+$/
/** `nvidia0`, `nvidia0/gi3`, `nvidia0/vgpu1`, `nvidia0/gi3/vgpu1`: GKE. */
const GKE = /^nvidia(\d+)(?:\/gi(\d+))?(\/vgpu\d+)?$/

/** Undefined for what names no GPU of NVIDIA's. */
export function readGpuId(id: string): GpuId | undefined {
  const gke = GKE.exec(id)
  if (gke !== null) return { ...NOTHING, minor: gke[1] ?? '', migInstance: gke[2] ?? '', share: gke[3] !== undefined }
  const whole = id.replace(SHARE, '')
  const share = whole !== id
  const old = OLD_MIG.exec(whole)
  if (old !== null) return { ...NOTHING, uuid: old[1] ?? '', migInstance: old[2] ?? '', share }
  const split = SPLIT.exec(whole)?.[1]
  if (split !== undefined) return { ...NOTHING, uuid: split, share: true }
  if (/^GPU-[\w-]+$/.test(whole)) return { ...NOTHING, uuid: whole, share }
  if (/^MIG-[\w-]+$/.test(whole)) return { ...NOTHING, migUuid: whole, share }
  return undefined
}

/** The driver of NVIDIA's GPUs for resource claims. */
export const DRA_DRIVER = 'gpu.nvidia.com'

/** `gpu-0`, the number being the minor, or the index where the driver is older. Undefined for MIG: its name says only where it lies. */
export function readDraGpu(name: string): string | undefined {
  return /^gpu-(\d+)$/.exec(name)?.[1]
}
