// Puts the lines of one scrape of dcgm-exporter together, device by device. Knows its labels of all generations; nothing of HTTP, and
// nobody's names but those that the lines bear.
import type { DeviceHolder, GpuDevice, GpuSample } from '../model.ts'
import { type DcgmField, fieldOf, isBlank, isDcgm } from './dcgm-fields.ts'
import { type DcgmDevice, samplesOf, type Values } from './dcgm-readings.ts'
import { type ExpositionLine, nameOf, parseLine } from './exposition-line.ts'

/** 64 GPUs of seven MIG instances each, and room for what a driver that restarts leaves behind. */
const MOST_DEVICES = 512
/** Pods that share one device: each repeats its rows. */
const MOST_ROWS = 256

/** Of pods, in the order in which they are believed: what Prometheus made of a clash, 1.x, today's. */
const POD_LABELS = [
  { namespace: 'exported_namespace', pod: 'exported_pod', container: 'exported_container' },
  { namespace: 'pod_namespace', pod: 'pod_name', container: 'container_name' },
  { namespace: 'namespace', pod: 'pod', container: 'container' },
] as const
/** Rows of links, switches, CPUs: some bear the names of a GPU's fields. */
const OTHER_ENTITIES = ['nvlink', 'nvswitch', 'cpu', 'cpucore'] as const

/** What may be divided among the pods on a device. */
const DIVIDED: readonly DcgmField[] = ['utilization', 'memoryUsedBytes']

interface Row {
  readonly value: number
  /** By the generation of its labels, as POD_LABELS. */
  readonly holders: readonly (DeviceHolder | undefined)[]
  readonly shared: boolean
}

interface Seen {
  readonly device: GpuDevice
  readonly rows: Map<DcgmField, Row[]>
}

export class DcgmDevices {
  /** Has anything been read that dcgm-exporter writes? */
  isDcgm = false
  /** Lines of fields that are wanted, and cannot be read. */
  malformed = 0
  /** Lines of a time too long ago. */
  stale = 0
  /** Rows beyond what is kept. */
  overlooked = 0
  readonly #seen = new Map<string, Seen>()
  readonly #generations = new Set<number>()
  readonly #oldestMs: number

  /** Lines with a time before `oldestMs` (since the epoch) are of a device that says no more. */
  constructor(oldestMs = Number.NEGATIVE_INFINITY) {
    this.#oldestMs = oldestMs
  }

  add(text: string): void {
    const name = nameOf(text)
    if (name === undefined) {
      this.isDcgm ||= /^#\s*(?:HELP|TYPE)\s+dcgm_/i.test(text)
      return
    }
    this.isDcgm ||= isDcgm(name)
    const reading = fieldOf(name)
    if (reading === undefined) return
    const line = parseLine(text)
    if (line === undefined) this.malformed++
    else this.#addLine(line, reading)
  }

  #addLine({ labels, value, timeMs }: ExpositionLine, { field, read }: NonNullable<ReturnType<typeof fieldOf>>): void {
    if ((timeMs ?? this.#oldestMs) < this.#oldestMs) {
      this.stale++
      return
    }
    if (isBlank(value) || OTHER_ENTITIES.some((label) => labels.has(label))) return
    const known = read(value)
    const device = deviceOf(labels)
    if (known === undefined || device === undefined) return
    const rows = this.#rowsOf(device, field)
    if (rows === undefined || rows.length >= MOST_ROWS) {
      this.overlooked++
      return
    }
    const shared = (labels.get('vgpu') ?? '') !== ''
    const holders = POD_LABELS.map((names) => holderOf(labels, names, shared))
    for (const [generation, holder] of holders.entries()) if (holder !== undefined) this.#generations.add(generation)
    rows.push({ value: known, holders, shared })
  }

  #rowsOf(device: GpuDevice, field: DcgmField): Row[] | undefined {
    const key = keyOf(device)
    let seen = this.#seen.get(key)
    if (seen === undefined) {
      if (this.#seen.size >= MOST_DEVICES) return undefined
      seen = { device, rows: new Map() }
      this.#seen.set(key, seen)
    }
    const rows = seen.rows.get(field) ?? []
    seen.rows.set(field, rows)
    return rows
  }

  samples(): GpuSample[] {
    // Where Prometheus has renamed a device's pod, the plain labels are those of dcgm-exporter's own.
    const generation = Math.min(...this.#generations)
    const seen = [...this.#seen.values()]
    // Newer releases may divide utilization and memory among the pods; where one pair of rows differs, all are parts.
    const inParts = seen.some(({ rows }) => [...rows.values()].some((ofField) => isShared(ofField, generation) && differ(ofField)))
    return samplesOf(seen.map((one) => together(one, generation, inParts)))
  }
}

function deviceOf(labels: ReadonlyMap<string, string>): GpuDevice | undefined {
  const uuid = labels.get('UUID') ?? labels.get('uuid') ?? ''
  const index = labels.get('gpu') ?? ''
  if (uuid === '' && index === '') return undefined
  return {
    uuid,
    index,
    minor: /^nvidia(\d+)$/.exec(labels.get('device') ?? '')?.[1] ?? '',
    model: labels.get('modelName') ?? '',
    migProfile: labels.get('GPU_I_PROFILE') ?? '',
    migInstance: labels.get('GPU_I_ID') ?? '',
    migUuids: [],
  }
}

function keyOf({ uuid, index, migInstance }: GpuDevice): string {
  return `${uuid === '' ? index : uuid} ${migInstance}`
}

function holderOf(labels: ReadonlyMap<string, string>, names: (typeof POD_LABELS)[number], share: boolean): DeviceHolder | undefined {
  const pod = labels.get(names.pod) ?? ''
  if (pod === '') return undefined
  return { namespace: labels.get(names.namespace) ?? '', pod, container: labels.get(names.container) ?? '', share }
}

function together({ device, rows }: Seen, generation: number, inParts: boolean): DcgmDevice {
  const values: Values = {}
  const holders = new Map<string, DeviceHolder>()
  for (const [field, ofField] of rows) {
    values[field] = oneOf(field, ofField, generation, inParts)
    for (const { holders: named } of ofField) {
      const holder = named[generation]
      if (holder !== undefined) holders.set(`${holder.namespace}/${holder.pod}/${holder.container}`, holder)
    }
  }
  const shared = [...rows.values()].some((ofField) => isShared(ofField, generation))
  return { device, values, holders: [...holders.values()], memoryInParts: shared && inParts }
}

/** Pods that share a device repeat its row. One without a pod is the device's own. */
function oneOf(field: DcgmField, rows: readonly Row[], generation: number, inParts: boolean): number {
  const own = rows.findLast(({ holders }) => holders[generation] === undefined) ?? rows.at(-1)
  const divided = inParts && DIVIDED.includes(field) && isShared(rows, generation)
  return divided ? rows.reduce((sum, { value }) => sum + value, 0) : (own as Row).value
}

/** By pods of which each has a row, and the device none. */
function isShared(rows: readonly Row[], generation: number): boolean {
  return rows.some(({ shared }) => shared) && rows.every(({ holders }) => holders[generation] !== undefined)
}

function differ(rows: readonly Row[]): boolean {
  return rows.some(({ value }) => value !== rows[0]?.value)
}
