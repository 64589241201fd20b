// A kubelet's pod-resources service on a socket of its own: gRPC on the wire, answers as a test says. It may restart, refuse or hang.
import { linkSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadPackageDefinition, Server, ServerCredentials, type ServiceDefinition, type ServiceError, status } from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'
import type { Undo } from './undo.ts'

export interface ContainerSays {
  readonly name: string
  readonly devices?: readonly { readonly resource_name: string; readonly device_ids: readonly string[]; readonly topology?: object }[]
  readonly cpu_ids?: readonly number[]
  readonly memory?: readonly object[]
  readonly dynamic_resources?: readonly object[]
}

export interface KubeletSays {
  readonly pods: readonly {
    readonly name: string
    readonly namespace: string
    readonly containers: readonly ContainerSays[]
    readonly cpu_ids?: readonly number[]
  }[]
  /** Device ids by resource; undefined: an older kubelet, that does not tell. */
  readonly allocatable?: Readonly<Record<string, readonly string[]>>
}

const PROTO = join(import.meta.dirname, 'pod-resources.proto')

interface Loaded {
  readonly v1: { readonly PodResourcesLister: { readonly service: ServiceDefinition } }
}

export function podResourcesService(): ServiceDefinition {
  return (loadPackageDefinition(loadSync(PROTO, { keepCase: true })) as unknown as Loaded).v1.PodResourcesLister.service
}

type Callback = (error: Partial<ServiceError> | null, answer?: object) => void

export class Kubelet {
  readonly socket: string
  says: KubeletSays
  /** In place of an answer; `hang`: none ever. */
  refuses: keyof typeof status | 'hang' | undefined
  /** Times that List was asked. */
  lists = 0
  totals = 0
  #server: Server | undefined

  private constructor(socket: string, says: KubeletSays) {
    this.socket = socket
    this.says = says
  }

  static async start(undo: Undo, says: KubeletSays): Promise<Kubelet> {
    const directory = mkdtempSync(join(tmpdir(), 'orb8-kubelet-'))
    const kubelet = new Kubelet(join(directory, 'kubelet.sock'), says)
    const remove = (): void => {
      kubelet.stop()
      rmSync(directory, { recursive: true, force: true })
    }
    undo.add({ gently: remove, atOnce: remove })
    await kubelet.serve()
    return kubelet
  }

  /** Makes the socket anew. */
  async serve(): Promise<void> {
    rmSync(this.socket, { force: true })
    const server = new Server({ 'grpc.max_send_message_length': -1 })
    const answer = (callback: Callback, make: () => object | undefined): void => {
      if (this.refuses === 'hang') return
      const code = this.refuses === undefined ? undefined : status[this.refuses]
      const message = code === undefined ? make() : undefined
      if (message !== undefined) callback(null, message)
      else
        callback({
          code: code ?? status.UNKNOWN,
          details: code === undefined ? 'Pod Resources API GetAllocatableResources disabled' : 'no',
        })
    }
    server.addService(podResourcesService(), {
      List: (_call: object, callback: Callback) => {
        this.lists++
        answer(callback, () => ({ pod_resources: this.says.pods }))
      },
      GetAllocatableResources: (_call: object, callback: Callback) => {
        this.totals++
        const { allocatable } = this.says
        answer(callback, () => {
          if (allocatable === undefined) return undefined
          // One message a device where the device has a NUMA node, as kubelet writes them.
          const devices = Object.entries(allocatable).flatMap(([resource_name, ids]) =>
            ids.map((id) => ({ resource_name, device_ids: [id], topology: { nodes: [{ ID: 1 }] } })),
          )
          return { devices, cpu_ids: [0, 1, 2, 300] }
        })
      },
    })
    await new Promise<void>((resolve, reject) =>
      server.bindAsync(`unix:${this.socket}`, ServerCredentials.createInsecure(), (error) => (error === null ? resolve() : reject(error))),
    )
    this.#server = server
  }

  /** Cuts every connection. The socket's file goes too, or stays as a killed kubelet leaves it. */
  stop(leaveFile = false): void {
    const kept = `${this.socket}.kept`
    if (leaveFile) linkSync(this.socket, kept)
    // Takes the file away.
    this.#server?.forceShutdown()
    this.#server = undefined
    if (leaveFile) renameSync(kept, this.socket)
    else rmSync(this.socket, { force: true })
  }
}

/** A pod of one container that holds these devices. */
export function holder(pod: string, resource: string, ...ids: readonly string[]): KubeletSays['pods'][number] {
  return { name: pod, namespace: 'ml', containers: [{ name: 'main', devices: [{ resource_name: resource, device_ids: ids }] }] }
}
