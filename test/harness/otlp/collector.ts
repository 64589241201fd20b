// A collector of the tests' own: gRPC's server with OTLP's public definitions, which keeps what it is sent and answers as it is told.
import { join } from 'node:path'
import { type handleUnaryCall, loadPackageDefinition, Metadata, Server, ServerCredentials, type ServiceDefinition } from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'
import type { Undo } from '../undo.ts'
import { type Attributes, attributesOf, type ExportRequest, flatten, type OtlpPoint } from './points.ts'

export interface Received {
  readonly atMs: number
  readonly metadata: Readonly<Record<string, string>>
  /** As it came, compressed or not, it had so many bytes once unpacked. */
  readonly bytes: number
  readonly resource: Attributes
  readonly points: readonly OtlpPoint[]
  readonly taken: boolean
}

export interface Answer {
  /** gRPC's code; 0 and left out: taken. */
  readonly code?: number
  readonly message?: string
  readonly rejected?: number
  readonly delayMs?: number
  /** google.rpc.Status, as the trailer carries it. */
  readonly details?: Buffer
}

export interface CollectorOptions {
  /** 0: any. */
  readonly port?: number
  /** In place of a port. */
  readonly unix?: string
  readonly credentials?: ServerCredentials
  /** Asked for each request, before its answer. */
  readonly answer?: (request: { readonly points: readonly OtlpPoint[] }, index: number) => Answer
}

interface ExportResponse {
  readonly partial_success?: { readonly rejected_data_points: number; readonly error_message: string }
}

const OPTIONS = { keepCase: true, longs: String, enums: String, defaults: true, includeDirs: [import.meta.dirname] }
const LOADED = loadPackageDefinition(loadSync(join(import.meta.dirname, 'service.proto'), OPTIONS)) as unknown as {
  opentelemetry: { proto: { collector: { metrics: { v1: { MetricsService: { service: ServiceDefinition } } } } } }
}
const { service } = LOADED.opentelemetry.proto.collector.metrics.v1.MetricsService

export class Collector {
  readonly received: Received[]
  readonly #server: Server
  readonly port: number

  private constructor(server: Server, port: number, received: Received[]) {
    this.#server = server
    this.port = port
    this.received = received
  }

  static async start(undo: Undo, { port = 0, unix, credentials, answer }: CollectorOptions = {}): Promise<Collector> {
    const received: Received[] = []
    const server = new Server()
    const sizes = new WeakMap<object, number>()
    const method = service.Export
    if (method === undefined) throw new Error('the definitions have no Export')
    const requestDeserialize = (bytes: Buffer): object => {
      const request = method.requestDeserialize(bytes) as object
      sizes.set(request, bytes.length)
      return request
    }
    const exports: handleUnaryCall<ExportRequest, ExportResponse> = (call, callback) => {
      const points = flatten(call.request)
      const told = answer?.({ points }, received.length) ?? {}
      const { code = 0, message = '', rejected, delayMs = 0, details } = told
      received.push({
        atMs: Date.now(),
        metadata: call.metadata.getMap() as Record<string, string>,
        bytes: sizes.get(call.request) ?? 0,
        resource: attributesOf(call.request.resource_metrics[0]?.resource.attributes ?? []),
        points,
        taken: code === 0,
      })
      const reply = (): void => {
        if (code !== 0) {
          const metadata = new Metadata()
          if (details !== undefined) metadata.set('grpc-status-details-bin', details)
          callback({ code, details: message, metadata })
        } else if (rejected !== undefined) callback(null, { partial_success: { rejected_data_points: rejected, error_message: message } })
        else callback(null, {})
      }
      if (delayMs === 0) reply()
      else setTimeout(reply, delayMs)
    }
    server.addService({ Export: { ...method, requestDeserialize } }, { Export: exports as handleUnaryCall<unknown, unknown> })
    const address = unix === undefined ? `127.0.0.1:${port}` : `unix://${unix}`
    const bound = await new Promise<number>((resolve, reject) =>
      server.bindAsync(address, credentials ?? ServerCredentials.createInsecure(), (error, at) => (error ? reject(error) : resolve(at))),
    )
    const end = (): void => server.forceShutdown()
    undo.add({ gently: end, atOnce: end })
    return new Collector(server, bound, received)
  }

  /** At once, with all connections, as by a kill. */
  kill(): void {
    this.#server.forceShutdown()
  }

  get taken(): readonly OtlpPoint[] {
    return this.received.filter(({ taken }) => taken).flatMap(({ points }) => points)
  }
}
