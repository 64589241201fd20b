// What the push has to be told: the settings of section 1 of the command line under their names there, and whose numbers these are.

type Pairs = readonly (readonly [key: string, value: string])[]

export interface OtlpSettings {
  readonly otlpEndpoint: { readonly address: string; readonly tls: boolean | undefined } | undefined
  readonly otlpHeaders: Pairs
  readonly otlpInsecure: boolean
  /** Paths of PEM files, empty where there is none. */
  readonly otlpCertificate: string
  readonly otlpClientCertificate: string
  readonly otlpClientKey: string
  readonly otlpCompression: 'none' | 'gzip'
  /** 0: as long as the whole export. */
  readonly otlpTimeoutMs: number
  readonly otlpTemporality: 'cumulative' | 'delta' | 'lowmemory'
  readonly exportIntervalMs: number
  /** 0: the interval. */
  readonly exportTimeoutMs: number
  readonly resourceAttributes: Pairs
  /** Empty: what the resource's attributes say, or orb8. */
  readonly serviceName: string
  readonly metricsExporter: 'otlp' | 'none'
  readonly otelDisabled: boolean
  readonly nodeName: string
}

/** Where to push to; undefined where nothing is pushed. */
export function endpointOf({ otlpEndpoint, metricsExporter, otelDisabled }: OtlpSettings): OtlpSettings['otlpEndpoint'] {
  return otelDisabled || metricsExporter === 'none' ? undefined : otlpEndpoint
}

/**
 * How long one export may take with its retries: less than the interval, so that the next one finds it done.
 */
export function budgetMs({ exportIntervalMs, exportTimeoutMs }: Pick<OtlpSettings, 'exportIntervalMs' | 'exportTimeoutMs'>): number {
  const most = exportIntervalMs * 0.9
  return exportTimeoutMs === 0 ? most : Math.min(exportTimeoutMs, most)
}

/** Counters and histograms that arrive as differences. Ours are totals that are read, which lowmemory leaves cumulative. */
export function deltas({ otlpTemporality }: Pick<OtlpSettings, 'otlpTemporality'>): {
  readonly sums: boolean
  readonly histograms: boolean
} {
  return { sums: otlpTemporality === 'delta', histograms: otlpTemporality !== 'cumulative' }
}
