// A collector of the tests' own: gRPC's server with OTLP's public definitions, which keeps what it is sent and answers as it is told.
import { join } from 'node:path'
import { type handleUnaryCall, loadPackageDefinition, Metadata, Server, ServerCredentials, type ServiceDefinition } from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'
import type { Undo } from '../undo.ts'
import { type Attributes, attributesOf, type ExportRequest, flatten, type OtlpPoint } from './points.ts'

/** A request. It is read when somebody looks: whoever sends it need not wait for that. */
export class Received {
  readonly atMs = Date.now()
  readonly metadata: Readonly<Record<string, string>>
  readonly #message: Buffer
  #read: ExportRequest | undefined
  #points: readonly OtlpPoint[] | undefined
  /** Set as soon as its answer is known. */
  taken = false

  constructor(message: Buffer, metadata: Readonly<Record<string, string>>) {
    this.#message = message
    this.metadata = metadata
  }

  /** As it came, compressed or not, it had so many bytes once unpacked. */
  get bytes(): number {
    return this.#message.length
  }

  get resource(): Attributes {
    return attributesOf(this.#request.resource_metrics[0]?.resource.attributes ?? [])
  }

  get points(): readonly OtlpPoint[] {
    this.#points ??= flatten(this.#request)
    return this.#points
  }

  get #request(): ExportRequest {
    this.#read ??= method.requestDeserialize(this.#message) as ExportRequest
    return this.#read
  }
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
const method = service.Export as NonNullable<typeof service.Export>

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
    const exports: handleUnaryCall<Buffer, ExportResponse> = (call, callback) => {
      const request = new Received(call.request, call.metadata.getMap() as Record<string, string>)
      const { code = 0, message = '', rejected, delayMs = 0, details } = answer?.(request, received.length) ?? {}
      request.taken = code === 0
      received.push(request)
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
    const asItCame = { ...method, requestDeserialize: (bytes: Buffer) => bytes }
    server.addService({ Export: asItCame }, { Export: exports as handleUnaryCall<unknown, unknown> })
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
