// The settings of the OTLP push, by the names that OpenTelemetry's specification gives them in the environment. Data only.
import { whole } from './checks.ts'
import { anyCaseWords, attributes, boolean, endpoint, exporters, file, headers, serviceName } from './otlp-checks.ts'
import type { Setting } from './setting.ts'

const DAY_MS = 86_400_000
/** Less than a collection takes makes no sense. */
const LEAST_INTERVAL_MS = 100

/** A setting that OpenTelemetry has for all signals, and for metrics alone. */
function exporterSetting<const Name extends string>(name: Name) {
  return {
    flag: `--otel-exporter-otlp-${name.replaceAll('_', '-') as Name}`,
    variable: `OTEL_EXPORTER_OTLP_${name.toUpperCase() as Uppercase<Name>}`,
    specific: `OTEL_EXPORTER_OTLP_METRICS_${name.toUpperCase() as Uppercase<Name>}`,
    fileKey: `otel_exporter_otlp_${name}`,
  } as const
}

function setting<const Name extends string>(name: Name) {
  return {
    flag: `--${name.replaceAll('_', '-') as Name}`,
    variable: name.toUpperCase() as Uppercase<Name>,
    fileKey: name,
  } as const
}

const PATH = { placeholder: 'PATH', check: file, fallback: '', fallbackShown: 'none', allowed: 'the path of a PEM file' } as const
const BOOLEAN = { placeholder: 'BOOL', check: boolean, fallback: 'false', allowed: 'true or false' } as const

export const OTLP_SETTINGS = {
  otlpEndpoint: {
    ...exporterSetting('endpoint'),
    placeholder: 'URL',
    check: endpoint,
    fallback: '',
    fallbackShown: 'none',
    allowed: 'http://HOST:PORT, https://HOST:PORT, HOST:PORT or unix:///PATH',
    help: 'Push all metrics to this OTLP collector over gRPC; none: no push. https and no scheme mean TLS.',
  },
  otlpProtocol: {
    ...exporterSetting('protocol'),
    placeholder: 'NAME',
    check: anyCaseWords(['grpc']),
    fallback: 'grpc',
    allowed: 'grpc: http/protobuf and http/json are not spoken here, a collector takes gRPC on port 4317',
    help: 'Only grpc is spoken; any other protocol is refused.',
  },
  otlpHeaders: {
    ...exporterSetting('headers'),
    placeholder: 'LIST',
    check: headers,
    fallback: '',
    fallbackShown: 'none',
    allowed: 'key=value[,key=value...], values URL-encoded, names as in gRPC metadata',
    help: 'Sent with every export, key=value[,key=value...], values URL-encoded; never logged. In the file also a map.',
    secret: true,
  },
  otlpInsecure: {
    ...exporterSetting('insecure'),
    ...BOOLEAN,
    help: 'No TLS where the endpoint has no scheme.',
  },
  otlpCertificate: {
    ...exporterSetting('certificate'),
    ...PATH,
    help: "PEM file of the authorities that the collector's certificate is checked against; none: those that Node trusts.",
  },
  otlpClientCertificate: {
    ...exporterSetting('client_certificate'),
    ...PATH,
    help: 'PEM file of the certificate that is shown to the collector; with the client key.',
  },
  otlpClientKey: {
    ...exporterSetting('client_key'),
    ...PATH,
    help: 'PEM file of its private key.',
  },
  otlpCompression: {
    ...exporterSetting('compression'),
    placeholder: 'NAME',
    check: anyCaseWords(['none', 'gzip']),
    fallback: 'none',
    allowed: 'none or gzip',
    help: 'none or gzip.',
  },
  otlpTimeoutMs: {
    ...exporterSetting('timeout'),
    placeholder: 'MS',
    check: whole(0, DAY_MS),
    fallback: '10000',
    allowed: 'whole milliseconds, 0 to 86400000',
    help: 'Milliseconds that one request may take; 0: as long as the whole export.',
  },
  otlpTemporality: {
    ...setting('otel_exporter_otlp_metrics_temporality_preference'),
    placeholder: 'NAME',
    check: anyCaseWords(['cumulative', 'delta', 'lowmemory']),
    fallback: 'cumulative',
    allowed: 'cumulative, delta or lowmemory',
    help: 'cumulative: counters since their start. delta and lowmemory: what was added since the collector last took it.',
  },
  otlpHistogramAggregation: {
    ...setting('otel_exporter_otlp_metrics_default_histogram_aggregation'),
    placeholder: 'NAME',
    check: anyCaseWords(['explicit_bucket_histogram']),
    fallback: 'explicit_bucket_histogram',
    allowed: 'explicit_bucket_histogram: the kernel counts in buckets whose bounds are fixed',
    help: 'Only explicit_bucket_histogram: the kernel counts in fixed buckets.',
  },
  exportIntervalMs: {
    ...setting('otel_metric_export_interval'),
    placeholder: 'MS',
    check: whole(LEAST_INTERVAL_MS, DAY_MS),
    fallback: '60000',
    allowed: `whole milliseconds, ${LEAST_INTERVAL_MS} to ${DAY_MS}`,
    help: 'Milliseconds from one export to the next.',
  },
  exportTimeoutMs: {
    ...setting('otel_metric_export_timeout'),
    placeholder: 'MS',
    check: whole(0, DAY_MS),
    fallback: '30000',
    allowed: 'whole milliseconds, 0 to 86400000',
    help: 'Milliseconds that one export may take with all its requests and retries, at most the interval; 0: the interval.',
  },
  resourceAttributes: {
    ...setting('otel_resource_attributes'),
    placeholder: 'LIST',
    check: attributes,
    fallback: '',
    fallbackShown: 'none',
    allowed: 'key=value[,key=value...], values URL-encoded',
    help: 'Added to the OTLP resource, key=value[,key=value...], values URL-encoded. In the file also a map.',
  },
  serviceName: {
    ...setting('otel_service_name'),
    placeholder: 'NAME',
    check: serviceName,
    fallback: '',
    fallbackShown: 'orb8',
    allowed: 'at most 255 printable characters',
    help: 'service.name of the OTLP resource; wins over one in OTEL_RESOURCE_ATTRIBUTES.',
  },
  metricsExporter: {
    ...setting('otel_metrics_exporter'),
    placeholder: 'LIST',
    check: exporters,
    fallback: 'otlp',
    allowed: 'otlp, prometheus, none, or a list of them',
    help: 'Without otlp in it nothing is pushed; /metrics is there in any case.',
  },
  otelDisabled: {
    ...setting('otel_sdk_disabled'),
    ...BOOLEAN,
    help: 'true: nothing is pushed; /metrics is there in any case.',
  },
} as const satisfies Record<string, Setting>
