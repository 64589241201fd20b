// The answers of kubelet's pod-resources service, v1, as far as they say which container holds which device. Knows the messages'
// fields; asks nobody.
import { fieldsOf } from './protobuf.ts'

/** A device, or a share of one, in a container's hands. */
export interface Holding {
  readonly namespace: string
  readonly pod: string
  readonly container: string
  /** As pods ask for it; of a resource claim the driver: `nvidia.com/gpu`, `gpu.nvidia.com`. */
  readonly resource: string
  /** As the device plugin, or the driver, names the device. */
  readonly id: string
  /** Of a resource claim only: where the driver's name is unique. */
  readonly pool: string | undefined
}

/** A node has 110 to 500 pods; its GPUs in shares of 48 at most, and as many other devices. */
const MOST = 65_536

export function holdingsIn(listed: Buffer): Holding[] {
  const holdings: Holding[] = []
  for (const pod of messages(listed, 1)) {
    const at = { pod: text(pod, 1), namespace: text(pod, 2) }
    for (const container of messages(pod, 3)) {
      const of = { ...at, container: text(container, 1) }
      for (const devices of messages(container, 2)) {
        const resource = text(devices, 1)
        for (const id of texts(devices, 2)) add(holdings, { ...of, resource, id, pool: undefined })
      }
      for (const claim of messages(container, 5)) {
        for (const claimed of messages(claim, 4))
          add(holdings, { ...of, resource: text(claimed, 2), id: text(claimed, 4), pool: text(claimed, 3) })
      }
    }
  }
  return holdings
}

/** Ids of devices by resource. */
export function allocatableIn(answer: Buffer): Map<string, string[]> {
  const byResource = new Map<string, string[]>()
  for (const devices of messages(answer, 1)) {
    const resource = text(devices, 1)
    const ids = byResource.get(resource) ?? []
    byResource.set(resource, ids)
    for (const id of texts(devices, 2)) if (ids.length < MOST) ids.push(id)
  }
  return byResource
}

function add(holdings: Holding[], holding: Holding): void {
  if (holdings.length < MOST) holdings.push(holding)
}

function* messages(message: Buffer, number: number): Generator<Buffer> {
  for (const field of fieldsOf(message)) if (field.number === number && field.bytes !== undefined) yield field.bytes
}

function texts(message: Buffer, number: number): string[] {
  return [...messages(message, number)].map((bytes) => bytes.toString())
}

/** The last of them counts; none is empty. */
function text(message: Buffer, number: number): string {
  return texts(message, number).at(-1) ?? ''
}
