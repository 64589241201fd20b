// What is kept of a ResourceSlice: the UUIDs of the GPUs that a driver offers to resource claims. Knows the API's fields; holds nothing.
import { DRA_DRIVER } from '../gpu-id.ts'
import { type Fields, fields, isFields, list, nameIn } from './fields.ts'

export interface ResourceSlice {
  readonly uid: string
  readonly pool: string
  /** Of the pool: slices of an older one are no longer true. */
  readonly generation: number
  /** `GPU-...` or `MIG-...` by the device's name; none of other drivers' slices. */
  readonly uuids: ReadonlyMap<string, string>
}

/** The API's own bound of one slice. */
const MAX_DEVICES = 128
/** The driver's own attributes may be written with its domain before them. */
const UUID = ['uuid', `${DRA_DRIVER}/uuid`] as const

/** Undefined for what is no ResourceSlice. */
export function stripResourceSlice(raw: unknown): ResourceSlice | undefined {
  if (!isFields(raw)) return undefined
  const { driver, pool: rawPool, devices } = fields(raw.spec)
  const { name, generation } = fields(rawPool)
  const [uid, pool] = [nameIn(fields(raw.metadata).uid), nameIn(name)]
  if (uid === undefined || pool === undefined || typeof generation !== 'number') return undefined
  return { uid, pool, generation, uuids: driver === DRA_DRIVER ? uuidsOf(devices) : new Map() }
}

function uuidsOf(devices: unknown): ReadonlyMap<string, string> {
  const uuids = new Map<string, string>()
  for (const entry of list(devices).slice(0, MAX_DEVICES)) {
    const { name, attributes } = fields(entry)
    const [device, uuid] = [nameIn(name), uuidIn(fields(attributes))]
    if (device !== undefined && uuid !== undefined) uuids.set(device, uuid)
  }
  return uuids
}

function uuidIn(attributes: Fields): string | undefined {
  const told = UUID.map((name) => nameIn(fields(attributes[name]).string))
  return told.find((uuid) => uuid !== undefined)
}
