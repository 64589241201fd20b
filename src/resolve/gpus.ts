// Whose each GPU is, and each process on one, in the contract's words. Never touches a reading.
import type {
  DeviceHolder,
  GpuDevice,
  GpuProcess,
  GpuSample,
  GpuSharing,
  Owner,
  RdmaPort,
  ResolvedGpu,
  ResolvedGpuProcess,
  ResolvedRdmaPort,
} from '../model.ts'
import { identifyCgroup } from './cgroup-path.ts'
import { type DraUuid, deviceKey, placeHoldings } from './gpu-holders.ts'
import { ownerOf, UNOWNED } from './owner.ts'
import type { Holding } from './pod-resources-messages.ts'

/** Whose names will be asked for. */
export interface WantedNames {
  /** Of processes, as `ofCgroup` has them. */
  readonly paths: readonly string[]
  readonly pods: readonly { readonly namespace: string; readonly pod: string }[]
}

/** Names of workloads, from whoever knows pods. */
export interface WorkloadNames {
  /** To be called before those below: looks up what is not known yet. */
  ensure(wanted: WantedNames): Promise<void>
  /** Of a pod of this node; `container` is empty where several of the pod are meant. */
  ofPod(namespace: string, pod: string, container: string): Owner
  /**
   * Of a process' cgroup: its inode, 0 where unknown, and its path below the mount, empty where unknown. Undefined: a process of
   * another node, which shares its kernel with this one.
   */
  ofCgroup(cgroup: bigint, path: string): Owner | undefined
}

/** Without the API: a pod stands for its own workload, a container goes by its id. */
export const PLAIN_NAMES: WorkloadNames = {
  ensure: async () => undefined,
  ofPod: plainOwner,
  ofCgroup: (_cgroup, path) => (path === '' ? UNOWNED : ownerOf(identifyCgroup(path))).owner,
}

/** A pod of which nothing but its name is known. */
export function plainOwner(namespace: string, pod: string, container: string): Owner {
  return { namespace, pod, container, workload: pod, workloadKind: 'Pod' }
}

export interface SeenGpus {
  readonly samples: readonly GpuSample[]
  readonly processes: readonly GpuProcess[]
  /** What kubelet says; undefined where it does not. */
  readonly holdings: readonly Holding[] | undefined
}

const UNKNOWN: DraUuid = () => undefined

export class GpuResolver {
  readonly #names: WorkloadNames
  readonly #draUuid: DraUuid
  /** GPUs on which MPS was seen since they are shared: between two processes nobody can tell. */
  readonly #mps = new Set<string>()

  constructor(names: WorkloadNames = PLAIN_NAMES, draUuid: DraUuid = UNKNOWN) {
    this.#names = names
    this.#draUuid = draUuid
  }

  /** To be called before the rest: looks names up that are not known yet. */
  ensure({ samples, processes, holdings = [] }: SeenGpus): Promise<void> {
    const holders = samples.flatMap((sample) => sample.holders ?? [])
    return this.#names.ensure({ paths: processes.map(({ cgroupPath }) => cgroupPath), pods: [...holdings, ...holders] })
  }

  gpus({ samples, processes, holdings }: SeenGpus): ResolvedGpu[] {
    const devices = samples.map(({ device }) => device)
    const placed = placeHoldings(holdings ?? [], devices, this.#draUuid)
    // dcgm-exporter reads some ids that kubelet alone does not explain: MIG by UUID, resource claims.
    const asTold = holdings === undefined || placed.unplaced > 0
    const holdersOf = ({ device, holders = [] }: GpuSample): readonly DeviceHolder[] =>
      placed.holders.get(deviceKey(device)) ?? (asTold ? holders : [])
    this.#learnMps(samples, processes, holdersOf)
    const inMig = Map.groupBy(
      samples.filter(({ device }) => device.migInstance !== ''),
      ({ device }) => gpuOf(device),
    )
    return samples.map((sample) => {
      const { device, readings } = sample
      const instances = device.migInstance === '' ? inMig.get(gpuOf(device)) : undefined
      if (instances === undefined) return { device, readings, ...this.#judge(device, holdersOf(sample)) }
      const held = [sample, ...instances].some((part) => holdersOf(part).length > 0)
      return { device, readings, owner: UNOWNED.owner, sharing: held ? 'mig' : 'none' }
    })
  }

  processes(processes: readonly GpuProcess[]): ResolvedGpuProcess[] {
    return processes.flatMap((process) => {
      const owner = this.#names.ofCgroup(process.cgroup, process.cgroupPath)
      return owner === undefined ? [] : [{ ...process, owner }]
    })
  }

  /** A port is its pod's where one pod alone holds the device, by its own name or by that of the function that it is. */
  rdma(ports: readonly RdmaPort[], holdings: readonly Holding[] = []): ResolvedRdmaPort[] {
    const byId = Map.groupBy(holdings, ({ id }) => id)
    return ports.map((port) => {
      const holders = [port.device, port.parent].flatMap((id) => (id === '' ? [] : (byId.get(id) ?? [])))
      return { ...port, owner: this.#aloneIn(holders) }
    })
  }

  #judge(device: GpuDevice, holders: readonly DeviceHolder[]): { readonly owner: Owner; readonly sharing: GpuSharing } {
    return { owner: this.#aloneIn(holders), sharing: this.#sharing(device, holders) }
  }

  #sharing(device: GpuDevice, holders: readonly DeviceHolder[]): GpuSharing {
    if (holders.length === 0) return 'none'
    if (holders.some(({ share }) => share)) return this.#mps.has(gpuOf(device)) ? 'mps' : 'time_slicing'
    if (device.migInstance !== '') return 'mig'
    return podsOf(holders) === 1 ? 'exclusive' : 'time_slicing'
  }

  /** Nobody where several pods hold it; without a container where several of one pod do. */
  #aloneIn(holders: readonly Omit<DeviceHolder, 'share'>[]): Owner {
    const [first] = holders
    if (first === undefined || podsOf(holders) > 1) return UNOWNED.owner
    const oneContainer = holders.every(({ container }) => container === first.container)
    return this.#names.ofPod(first.namespace, first.pod, oneContainer ? first.container : '')
  }

  #learnMps(
    samples: readonly GpuSample[],
    processes: readonly GpuProcess[],
    holdersOf: (sample: GpuSample) => readonly DeviceHolder[],
  ): void {
    const shared = new Set(samples.filter((sample) => holdersOf(sample).some(({ share }) => share)).map(({ device }) => gpuOf(device)))
    for (const { mps, uuid, index } of processes) if (mps) this.#mps.add(gpuOf({ uuid, index }))
    for (const gpu of this.#mps) if (!shared.has(gpu)) this.#mps.delete(gpu)
  }
}

function podsOf(holders: readonly Pick<DeviceHolder, 'namespace' | 'pod'>[]): number {
  return new Set(holders.map(({ namespace, pod }) => `${namespace}/${pod}`)).size
}

function gpuOf({ uuid, index }: Pick<GpuDevice, 'uuid' | 'index'>): string {
  return uuid === '' ? index : uuid
}
