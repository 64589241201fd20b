// GPUs and RDMA ports of this machine as the exporter publishes them: puts their sources, who holds them and their store together.
// Nothing here ever fails a collection of flows.
import { existsSync } from 'node:fs'
import { mergedGpus } from '../../collect/merged-gpus.ts'
import { NvmlCollector } from '../../collect/nvml.ts'
import { RdmaCollector } from '../../collect/rdma.ts'
import type { Config } from '../../config.ts'
import type { SampleFamily } from '../../model.ts'
import type { DraUuid } from '../../resolve/gpu-holders.ts'
import { gpuResources } from '../../resolve/gpu-resources.ts'
import { GpuResolver, type WorkloadNames } from '../../resolve/gpus.ts'
import type { Held, PodResources } from '../../resolve/pod-resources.ts'
import { createDeviceStore } from '../../store/devices.ts'
import { openDcgm } from './open-dcgm.ts'
import { type Listener, Source } from './source.ts'

export interface DevicesWorld {
  readonly cgroupRoot: string
  /** Of libuv's pool, for NVML. */
  readonly threads: number
  readonly listener: Listener
  readonly names?: WorkloadNames
  readonly draUuid?: DraUuid
}

export interface Devices {
  /** None where the machine has none. Never rejects. */
  collect(): Promise<readonly SampleFamily[]>
  /** To be asked after `close`: process.exit would wait for a call that does not come back. */
  readonly hangs: boolean
  close(): Promise<void>
}

/** Throws ConfigError where the file of authorities cannot be read. */
export async function openDevices(config: Config, { cgroupRoot, threads, listener, names, draUuid }: DevicesWorld): Promise<Devices> {
  const dcgm = await openDcgm(config)
  const nvml = config.nvml === 'off' ? undefined : new NvmlCollector({ mode: config.nvml, cgroupRoot, threads })
  const rdma = new RdmaCollector()
  const kubelet = new Kubelet(config.podResourcesSocket)
  const resolver = new GpuResolver(names, draUuid)
  const store = createDeviceStore()
  const sources = {
    dcgm: new Source('dcgm', listener),
    nvml: new Source('nvml', listener),
    rdma: new Source('rdma', listener),
    kubelet: new Source('pod_resources', listener),
  }

  const collect = async (): Promise<readonly SampleFamily[]> => {
    const [fromDcgm, fromNvml, fromRdma] = await Promise.all([
      sources.dcgm.ask(async () => dcgm?.collect()),
      sources.nvml.ask(async () => nvml?.collect()),
      sources.rdma.ask(() => rdma.collect()),
    ])
    sources.nvml.partly(fromNvml?.failures)
    const samples = mergedGpus(fromDcgm ?? [], fromNvml?.samples ?? [])
    const ports = fromRdma?.ports ?? []
    const held = samples.length + ports.length > 0 ? await sources.kubelet.ask(() => kubelet.ask(), kubelet.lastKnown) : undefined
    const processes = fromNvml?.processes ?? []
    const seen = { samples, processes, holdings: held?.holdings }
    await resolver.ensure(seen)
    return store.families({
      gpus: resolver.gpus(seen),
      processes: resolver.processes(processes),
      rdma: resolver.rdma(ports, held?.holdings),
      resources: held === undefined ? [] : gpuResources(held),
    })
  }

  return {
    collect: () =>
      collect().catch((error) => {
        listener.collectionFailed('devices', 'internal', 0)
        listener.warn({ err: error }, 'devices are left out')
        return []
      }),
    get hangs() {
      return nvml?.hangs === true || rdma.hangs
    },
    async close() {
      kubelet.close()
      await Promise.all([dcgm?.close(), nvml?.close()])
    },
  }
}

/** Loaded, and asked, from when its socket is first there: gRPC is megabytes. */
class Kubelet {
  readonly #socket: string | undefined
  #podResources: PodResources | undefined

  constructor(socket: string | undefined) {
    this.#socket = socket
  }

  get lastKnown(): Held | undefined {
    return this.#podResources?.lastKnown
  }

  async ask(): Promise<Held | undefined> {
    if (this.#podResources === undefined) {
      if (this.#socket === undefined || !existsSync(this.#socket)) return undefined
      const { PodResources } = await import('../../resolve/pod-resources.ts')
      this.#podResources ??= new PodResources({ socket: this.#socket })
    }
    return this.#podResources.ask()
  }

  close(): void {
    this.#podResources?.close()
  }
}
