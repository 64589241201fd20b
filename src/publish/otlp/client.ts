// Sends one batch to the collector, once: the SDK's gRPC exporter, and what came of it in words. Knows connections and certificates;
// nothing of retries or of what is in a batch.
import { readFileSync } from 'node:fs'
import { ChannelCredentials, Metadata, type ServiceError, status } from '@grpc/grpc-js'
import { DiagLogLevel, diag } from '@opentelemetry/api'
import { ExportResultCode } from '@opentelemetry/core'
import { OTLPMetricExporter } from '@opentelemetry/exporter-metrics-otlp-grpc'
import type { ResourceMetrics } from '@opentelemetry/sdk-metrics'
import { retryAfterMs } from './retry-info.ts'
import { endpointOf, type OtlpSettings } from './settings.ts'

export type Reply =
  | { readonly taken: true; readonly rejectedPoints: number; readonly detail: string }
  | {
      readonly taken: false
      /** gRPC's name of it, or what failed before. */
      readonly code: string
      readonly detail: string
      readonly retryable: boolean
      /** Whether the collector may have it all the same: `invalid` says that it has not, and never will. */
      readonly sent: 'no' | 'doubtful' | 'invalid'
      /** As the server asks for it. */
      readonly retryAfterMs?: number
    }

/** Of OTLP's specification; RESOURCE_EXHAUSTED too, but only with a time to wait. */
const RETRYABLE: ReadonlySet<number> = new Set([
  status.CANCELLED,
  status.DEADLINE_EXCEEDED,
  status.ABORTED,
  status.OUT_OF_RANGE,
  status.UNAVAILABLE,
  status.DATA_LOSS,
])

/** Longest piece of somebody else's words that goes into a log. */
const DETAIL_CHARACTERS = 300

/** The server has looked at the request and has not taken it. Of all others nobody knows: the answer may be what was lost. */
const REFUSALS: ReadonlySet<number> = new Set([
  status.NOT_FOUND,
  status.PERMISSION_DENIED,
  status.RESOURCE_EXHAUSTED,
  status.FAILED_PRECONDITION,
  status.UNIMPLEMENTED,
  status.UNAUTHENTICATED,
])

export class Client {
  readonly #settings: OtlpSettings
  readonly #userAgent: string
  /** Kept from one batch to the next, with the connection. */
  #exporter: OTLPMetricExporter | undefined
  #timeoutMs = 0
  #partial: unknown

  constructor(settings: OtlpSettings, version: string) {
    this.#settings = settings
    this.#userAgent = `orb8/${version}`
    // The exporter tells a partial success nowhere else. Its other words repeat what the reply says.
    const silent = (): void => undefined
    const warn = (message: string, ...args: unknown[]): void => {
      if (message.startsWith('Received Partial Success response')) this.#partial = args[0]
    }
    diag.setLogger({ error: silent, warn, info: silent, debug: silent, verbose: silent }, DiagLogLevel.WARN)
  }

  /** Answers within `timeoutMs`. Not to be called while another call is under way. */
  async send(batch: ResourceMetrics, timeoutMs: number): Promise<Reply> {
    let exporter: OTLPMetricExporter
    try {
      exporter = this.#within(timeoutMs)
    } catch (error) {
      return { taken: false, code: 'CERTIFICATE', detail: shown(error), retryable: false, sent: 'no' }
    }
    this.#partial = undefined
    const result = await new Promise<{ code: ExportResultCode; error?: Error }>((resolve) => exporter.export(batch, resolve))
    if (result.code === ExportResultCode.SUCCESS) return { taken: true, ...this.#rejected() }
    // A connection that failed is not tried again by gRPC for up to two minutes; a new one is tried at once, with files read anew.
    await this.close()
    return refusal(result.error)
  }

  async close(): Promise<void> {
    const exporter = this.#exporter
    this.#exporter = undefined
    await exporter?.shutdown()
  }

  #within(timeoutMs: number): OTLPMetricExporter {
    const { otlpTimeoutMs, otlpCompression } = this.#settings
    const most = otlpTimeoutMs === 0 ? timeoutMs : Math.min(otlpTimeoutMs, timeoutMs)
    // Its time is fixed when it is made: a shorter one is needed only towards the end of an export.
    if (this.#exporter !== undefined && this.#timeoutMs <= most) return this.#exporter
    this.#exporter?.shutdown().catch(() => undefined)
    this.#timeoutMs = most
    this.#exporter = new OTLPMetricExporter({
      // The exporter drops the port of http://HOST:80, as that of https://HOST:443.
      url: this.#address.startsWith('unix:') ? this.#address : `grpc://${this.#address}`,
      credentials: this.#credentials(),
      metadata: this.#metadata(),
      compression: otlpCompression as NonNullable<ConstructorParameters<typeof OTLPMetricExporter>[0]>['compression'],
      timeoutMillis: most,
      userAgent: this.#userAgent,
    } as ConstructorParameters<typeof OTLPMetricExporter>[0])
    return this.#exporter
  }

  get #address(): string {
    return endpointOf(this.#settings)?.address ?? ''
  }

  /** Throws what reading or using a certificate throws. */
  #credentials(): ChannelCredentials {
    const { otlpInsecure, otlpCertificate, otlpClientKey, otlpClientCertificate } = this.#settings
    const tls = endpointOf(this.#settings)?.tls ?? !otlpInsecure
    if (!tls) return ChannelCredentials.createInsecure()
    const read = (path: string): Buffer | null => (path === '' ? null : readFileSync(path))
    return ChannelCredentials.createSsl(read(otlpCertificate), read(otlpClientKey), read(otlpClientCertificate))
  }

  #metadata(): Metadata {
    const metadata = new Metadata()
    for (const [key, value] of this.#settings.otlpHeaders) metadata.set(key, key.endsWith('-bin') ? Buffer.from(value, 'base64') : value)
    return metadata
  }

  #rejected(): { rejectedPoints: number; detail: string } {
    const partial = this.#partial
    if (typeof partial !== 'string') return { rejectedPoints: 0, detail: '' }
    const { rejectedDataPoints = 0, errorMessage = '' } = JSON.parse(partial) as { rejectedDataPoints?: number; errorMessage?: string }
    return { rejectedPoints: Number(rejectedDataPoints), detail: shown(errorMessage) }
  }
}

function refusal(error: Error | undefined): Reply {
  const { code, details, metadata } = (error ?? {}) as Partial<ServiceError>
  if (code === undefined) return { taken: false, code: 'INTERNAL', detail: shown(error), retryable: false, sent: 'doubtful' }
  const [bytes] = metadata?.get('grpc-status-details-bin') ?? []
  const wait = Buffer.isBuffer(bytes) ? retryAfterMs(bytes) : undefined
  return {
    taken: false,
    code: status[code] ?? String(code),
    detail: shown(details),
    sent: code === status.INVALID_ARGUMENT ? 'invalid' : REFUSALS.has(code) ? 'no' : 'doubtful',
    retryable: RETRYABLE.has(code) || (code === status.RESOURCE_EXHAUSTED && wait !== undefined),
    ...(wait === undefined ? {} : { retryAfterMs: wait }),
  }
}

function shown(what: unknown): string {
  const text = what instanceof Error ? what.message : String(what ?? '')
  return text.replaceAll(/\s+/g, ' ').slice(0, DETAIL_CHARACTERS)
}
