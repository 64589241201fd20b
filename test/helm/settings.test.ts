import { basename } from 'node:path'
import t from 'tap'
import { ALL_SETTINGS, SETTINGS } from '../../src/config/settings.ts'
import { loadConfig } from '../../src/config.ts'
import { CI_FILES, type Container, containerOf, NO_HELM, podOf, render, renderOnce } from './rendering.ts'

/** What the downward API gives. */
const FIELDS: Readonly<Record<string, string>> = { 'spec.nodeName': 'node-7', 'status.hostIP': '192.0.2.7' }
/** Variables that are for others than the exporter. */
const OTHERS: ReadonlySet<string> = new Set(['HOST_IP', 'NVIDIA_VISIBLE_DEVICES', 'NVIDIA_DRIVER_CAPABILITIES', 'TZ'])
/** Settings of the contract, whether or not this version has them all. */
const KNOWN: ReadonlySet<string> = new Set([
  ...ALL_SETTINGS.map(({ variable }) => variable),
  ...['ORB8_KUBERNETES', 'ORB8_PEERS', 'ORB8_PEER_NODES', 'ORB8_POD_LOGS_DIR', 'ORB8_WEB_CONFIG_FILE', 'ORB8_NVML', 'ORB8_DCGM_URL'],
  ...['ENDPOINT', 'HEADERS', 'COMPRESSION', 'CERTIFICATE', 'CLIENT_CERTIFICATE', 'CLIENT_KEY'].map((name) => `OTEL_EXPORTER_OTLP_${name}`),
  ...['OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE', 'OTEL_METRIC_EXPORT_INTERVAL', 'OTEL_RESOURCE_ATTRIBUTES'],
])

/** The environment as the kubelet makes it. */
function environment({ env = [] }: Container): Record<string, string> {
  const made: Record<string, string> = {}
  for (const { name, value, valueFrom } of env) {
    const field = valueFrom?.fieldRef?.fieldPath
    const text = value ?? (field === undefined ? 'key=value' : (FIELDS[field] ?? ''))
    made[name] = text.replaceAll(/\$\((\w+)\)/g, (whole, other: string) => made[other] ?? whole)
  }
  return made
}

t.test('whatever the values, the exporter takes its environment and arguments', { skip: NO_HELM }, async (t) => {
  for (const file of CI_FILES) {
    const manifests = renderOnce(file)
    const { containers, initContainers = [] } = podOf(manifests)
    for (const container of [...initContainers, ...containers] as Container[]) {
      const [word, ...argv] = container.args ?? []
      if (!['load', 'export', 'unload'].includes(word ?? '')) continue
      const env = environment(container)
      const { config } = await loadConfig({ argv, env })
      t.ok(config, `${basename(file)}: ${word}`)
      const strange = Object.keys(env).filter((name) => !KNOWN.has(name) && !OTHERS.has(name))
      t.same(strange, [], 'and knows every variable')
    }
  }
})

t.test('what is set arrives', { skip: NO_HELM }, async (t) => {
  const settings = {
    cidrs: { office: '198.51.100.0/24', db: ['10.20.0.0/24', 'fd00:20::/64'] },
    seriesIdle: '1h30m',
    flowLabels: 'all',
    logLevel: 'warn',
  }
  const { config } = await loadConfig({ env: environment(containerOf(render({ settings }), 'orb8')) })
  t.equal(config.nodeName, 'node-7')
  t.same([...new Set(config.cidrs.map(({ name }) => name))].sort(), ['db', 'office'])
  t.equal(config.cidrs.length, 3)
  t.equal(config.seriesIdleMs, 5_400_000)
  t.equal(config.logLevel, 'warn')
  t.equal(config.pinPath, '/run/orb8/bpf')
  t.equal(config.cgroupRoot, '/run/orb8/cgroup')
})

t.test("the chart's defaults are the exporter's own", { skip: NO_HELM }, (t) => {
  const env = environment(containerOf(render(), 'orb8'))
  for (const { variable, fallback } of [SETTINGS.flowEntries, SETTINGS.sockets, SETTINGS.seriesLimit, SETTINGS.listen])
    t.equal(env[variable], fallback, variable)
  t.end()
})
