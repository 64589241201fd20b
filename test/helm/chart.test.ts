import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import t from 'tap'
import { parse as parseYaml } from 'yaml'
import { CHART } from '../../scripts/chart/render.ts'
import { kubernetesTools } from '../../scripts/kubernetes-tools.ts'
import {
  CI_FILES,
  type Container,
  containerOf,
  environmentOf,
  type Manifest,
  NO_HELM,
  ofKind,
  parse,
  podOf,
  render,
  renderFile,
  renderOnce,
} from './rendering.ts'

const helm = (...args: string[]): string => execFileSync(kubernetesTools().helm, args, { encoding: 'utf8', stdio: 'pipe' })
const kinds = (manifests: readonly Manifest[]): readonly string[] => manifests.map(({ kind }) => kind).sort()
const containers = (manifests: readonly Manifest[]): readonly Container[] => [
  ...(podOf(manifests).initContainers ?? []),
  ...podOf(manifests).containers,
]

t.test('helm lints the chart with every values file', { skip: NO_HELM }, (t) => {
  t.ok(CI_FILES.length > 10)
  for (const file of CI_FILES) t.match(helm('lint', '--strict', CHART, '--values', file), /0 chart\(s\) failed/, basename(file))
  t.end()
})

t.test('helm packages it, without the examples', { skip: NO_HELM }, (t) => {
  const folder = mkdtempSync(join(tmpdir(), `orb8-test-chart-${process.pid}-`))
  try {
    helm('package', CHART, '--destination', folder)
    const [file = ''] = readdirSync(folder)
    t.match(file, /^orb8-\d+\.\d+\.\d+\.tgz$/)
    const names = execFileSync('tar', ['-tzf', join(folder, file)], { encoding: 'utf8' }).split('\n')
    for (const name of ['Chart.yaml', 'values.yaml', 'values.schema.json', 'README.md', 'templates/daemonset.yaml', 'templates/NOTES.txt'])
      t.ok(names.includes(`orb8/${name}`), name)
    t.notOk(names.some((name) => name.startsWith('orb8/ci/')))
    t.same(parse(helm('template', 'orb8', join(folder, file), '--namespace', 'orb8')), renderFile('default'))
  } finally {
    rmSync(folder, { recursive: true })
  }
  t.end()
})

t.test('by default it makes the DaemonSet and what that needs', { skip: NO_HELM }, (t) => {
  t.same(kinds(renderFile('default')), ['ClusterRole', 'ClusterRoleBinding', 'DaemonSet', 'PriorityClass', 'Service', 'ServiceAccount'])
  t.end()
})

t.test('whatever the values, mounts have volumes, variables are named once, probes find their port', { skip: NO_HELM }, (t) => {
  for (const file of CI_FILES) {
    const manifests = renderOnce(file)
    const volumes: readonly string[] = podOf(manifests).volumes.map(({ name }: { name: string }) => name)
    const mounted = containers(manifests).flatMap(({ volumeMounts = [] }) => volumeMounts.map(({ name }) => name))
    t.same(new Set(mounted), new Set(volumes), `${basename(file)}: volumes`)
    t.equal(new Set(volumes).size, volumes.length)
    for (const { name, env = [], ports = [], ...container } of containers(manifests)) {
      const names = env.map((variable) => variable.name)
      t.equal(new Set(names).size, names.length, `${basename(file)}: variables of ${name}`)
      for (const [index, { value }] of env.entries())
        for (const [, used = ''] of value?.matchAll(/\$\((\w+)\)/g) ?? []) t.ok(names.slice(0, index).includes(used), `${used} comes first`)
      const named = new Set(ports.map((port: { name: string }) => port.name))
      for (const probe of ['startupProbe', 'livenessProbe', 'readinessProbe'].map((key) => container[key]))
        if (probe !== undefined) t.ok(named.has((probe.httpGet ?? probe.tcpSocket).port))
    }
  }
  t.end()
})

t.test('pods of one selector: the DaemonSet, the Service, the PodMonitor and the NetworkPolicy mean the same', { skip: NO_HELM }, (t) => {
  const manifests = render({ podMonitor: { enabled: true }, networkPolicy: { enabled: true }, serviceMonitor: { enabled: true } })
  const { spec } = ofKind(manifests, 'DaemonSet')
  const labels = spec.template.metadata.labels
  const selectors = [
    spec.selector.matchLabels,
    ofKind(manifests, 'Service').spec.selector,
    ofKind(manifests, 'PodMonitor').spec.selector.matchLabels,
    ofKind(manifests, 'NetworkPolicy').spec.podSelector.matchLabels,
  ]
  for (const selector of selectors) {
    t.same(selector, selectors[0])
    t.match(labels, selector)
  }
  t.match(ofKind(manifests, 'Service').metadata.labels, ofKind(manifests, 'ServiceMonitor').spec.selector.matchLabels)
  const unload = ofKind(renderFile('unload'), 'DaemonSet').spec
  t.notMatch(unload.template.metadata.labels, selectors[0], 'and none of them a pod that unloads')
  t.end()
})

t.test('an upgrade replaces a pod before the next one starts, for two exporters cannot share the pins', { skip: NO_HELM }, (t) => {
  const { updateStrategy } = ofKind(renderFile('default'), 'DaemonSet').spec
  t.same(updateStrategy, { type: 'RollingUpdate', rollingUpdate: { maxSurge: 0, maxUnavailable: '10%' } })
  t.end()
})

t.test('it runs on every node, whatever its taints', { skip: NO_HELM }, (t) => {
  const pod = podOf(renderFile('default'))
  t.same(pod.tolerations, [{ operator: 'Exists' }])
  t.equal(pod.priorityClassName, ofKind(renderFile('default'), 'PriorityClass').metadata.name)
  t.notOk(podOf(render({ priorityClass: { create: false } })).priorityClassName)
  t.end()
})

t.test('the API server allows exactly what is asked of it', { skip: NO_HELM }, (t) => {
  const rules = (values: object): unknown => ofKind(render(values), 'ClusterRole').rules
  t.same(rules({}), [{ apiGroups: [''], resources: ['pods', 'services', 'nodes'], verbs: ['list', 'watch'] }])
  t.same(rules({ settings: { peers: 'off' } }), [{ apiGroups: [''], resources: ['pods'], verbs: ['list', 'watch'] }])
  t.same(rules({ gpu: { podResources: { enabled: true } }, settings: { peers: 'off' } }), [
    { apiGroups: [''], resources: ['pods'], verbs: ['list', 'watch'] },
    { apiGroups: ['resource.k8s.io'], resources: ['resourceslices'], verbs: ['list', 'watch'] },
  ])
  const binding = ofKind(renderFile('everything'), 'ClusterRoleBinding')
  t.same(binding.subjects, [{ kind: 'ServiceAccount', name: 'flows', namespace: 'orb8' }])
  t.equal(podOf(renderFile('everything')).serviceAccountName, 'flows')
  const without = renderFile('no-kubernetes')
  t.notOk(kinds(without).some((kind) => kind.startsWith('ClusterRole')))
  t.equal(podOf(without).automountServiceAccountToken, false)
  t.end()
})

t.test('the Service is headless and also names pods that are not ready', { skip: NO_HELM }, (t) => {
  t.match(ofKind(renderFile('default'), 'Service').spec, {
    clusterIP: 'None',
    publishNotReadyAddresses: true,
    ports: [{ name: 'http', port: 9091 }],
  })
  t.end()
})

t.test("monitors keep the samples' own labels and add the node", { skip: NO_HELM }, (t) => {
  const node = { sourceLabels: ['__meta_kubernetes_pod_node_name'], targetLabel: 'node', action: 'replace' }
  const [endpoint] = ofKind(renderFile('operator'), 'ServiceMonitor').spec.endpoints
  t.match(endpoint, { port: 'http', honorLabels: true, scheme: 'http', relabelings: [node] })
  t.notHas(ofKind(renderFile('operator'), 'ServiceMonitor').spec, { attachMetadata: {} }, 'not every Prometheus may list nodes')
  const zone = { sourceLabels: ['__meta_kubernetes_node_label_topology_kubernetes_io_zone'], targetLabel: 'zone', action: 'replace' }
  const zoned = ofKind(render({ serviceMonitor: { enabled: true, attachNodeMetadata: true } }), 'ServiceMonitor').spec
  t.match(zoned, { attachMetadata: { node: true }, endpoints: [{ relabelings: [node, zone] }] })
  const monitor = ofKind(renderFile('podmonitor'), 'PodMonitor')
  t.same(monitor.spec.attachMetadata, { node: true })
  t.match(monitor.metadata, { namespace: 'monitoring', labels: { release: 'kube-prometheus-stack' } })
  t.same(monitor.spec.namespaceSelector, { matchNames: ['orb8'] })
  t.match(monitor.spec.podMetricsEndpoints, [
    { honorLabels: true, interval: '30s', scrapeTimeout: '10s', relabelings: [node, zone, { targetLabel: 'cluster' }] },
  ])
  t.throws(() => render({ serviceMonitor: { enabled: true }, service: { enabled: false } }), /needs service.enabled/)
  t.end()
})

t.test('the job is orb8, whatever the release and the chart are called: alerts look for it', { skip: NO_HELM }, (t) => {
  const named = { nameOverride: 'flows', fullnameOverride: 'bytes', commonLabels: { team: 'net' } }
  for (const monitor of ['serviceMonitor', 'podMonitor']) {
    const manifests = render({ ...named, [monitor]: { enabled: true } })
    const kind = monitor === 'serviceMonitor' ? 'ServiceMonitor' : 'PodMonitor'
    const { jobLabel } = ofKind(manifests, kind).spec
    const labelled = kind === 'ServiceMonitor' ? ofKind(manifests, 'Service') : ofKind(manifests, 'DaemonSet').spec.template
    t.equal(labelled.metadata.labels[jobLabel], 'orb8', kind)
  }
  t.end()
})

t.test('the port is the same in all places', { skip: NO_HELM }, (t) => {
  const manifests = render({ port: 19091, hostNetwork: true })
  t.equal(environmentOf(containerOf(manifests, 'orb8')).ORB8_LISTEN, ':19091')
  t.same(containerOf(manifests, 'orb8').ports, [{ name: 'http', containerPort: 19091, hostPort: 19091, protocol: 'TCP' }])
  t.match(ofKind(manifests, 'Service').spec.ports, [{ port: 19091 }])
  t.match(podOf(manifests), { hostNetwork: true, dnsPolicy: 'ClusterFirstWithHostNet' })
  t.match(podOf(renderFile('default')), { hostNetwork: false, dnsPolicy: 'ClusterFirst' })
  t.notOk(containerOf(renderFile('default'), 'orb8').ports[0].hostPort)
  t.end()
})

t.test('load and export agree on all that the pinned counters hang on', { skip: NO_HELM }, (t) => {
  const manifests = renderFile('everything')
  const [load, run] = ['load', 'orb8'].map((name) => environmentOf(containerOf(manifests, name)))
  for (const name of [
    'ORB8_PIN_PATH',
    'ORB8_CGROUP_ROOT',
    'ORB8_FLOW_ENTRIES',
    'ORB8_SOCKETS',
    'ORB8_SERIES_LIMIT',
    'ORB8_FLOW_LABELS',
    'ORB8_CIDRS',
  ]) {
    t.ok(load?.[name], name)
    t.equal(load?.[name], run?.[name], name)
  }
  t.equal(load?.ORB8_FLOW_ENTRIES, '4194304', 'no float')
  t.equal(load?.ORB8_PIN_GROUP, '4242')
  t.notOk(run?.ORB8_PIN_GROUP, 'who does not own the pins cannot hand them on')
  t.end()
})

t.test('with a web configuration probes ask what they can know', { skip: NO_HELM }, (t) => {
  const probe = (values: object): unknown => {
    const { periodSeconds, failureThreshold, timeoutSeconds, ...how } = containerOf(render(values), 'orb8').livenessProbe
    return how
  }
  const web = { secretName: 'orb8-web' }
  const httpHeaders = [{ name: 'Authorization', value: 'Basic x' }]
  t.same(probe({}), { httpGet: { path: '/healthz', port: 'http' } })
  t.same(probe({ web }), { tcpSocket: { port: 'http' } })
  t.same(probe({ web: { ...web, probeHeaders: httpHeaders } }), { httpGet: { path: '/healthz', port: 'http', httpHeaders } })
  t.same(probe({ web: { ...web, tls: true, probe: 'http' } }), { httpGet: { path: '/healthz', port: 'http', scheme: 'HTTPS' } })
  t.same(probe({ web: { probe: 'tcp' } }), { tcpSocket: { port: 'http' } })
  const manifests = renderFile('web')
  t.match(containerOf(manifests, 'orb8').volumeMounts, [...Array(4).fill({}), { name: 'web', mountPath: '/etc/orb8/web', readOnly: true }])
  t.equal(environmentOf(containerOf(manifests, 'orb8')).ORB8_WEB_CONFIG_FILE, '/etc/orb8/web/web-config.yml')
  const [endpoint] = ofKind(manifests, 'ServiceMonitor').spec.endpoints
  t.match(endpoint, { scheme: 'https', basicAuth: { username: { name: 'orb8-scrape' } }, tlsConfig: { serverName: 'orb8' } })
  t.end()
})

t.test('OTLP takes its secrets from Secrets', { skip: NO_HELM }, (t) => {
  const container = containerOf(renderFile('otlp-tls'), 'orb8')
  t.match(environmentOf(container), {
    OTEL_EXPORTER_OTLP_ENDPOINT: 'https://collector.example.org:4317',
    OTEL_METRIC_EXPORT_INTERVAL: '30000',
    OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE: 'delta',
    OTEL_EXPORTER_OTLP_COMPRESSION: 'gzip',
    OTEL_EXPORTER_OTLP_CERTIFICATE: '/etc/orb8/otlp-ca/ca.crt',
    OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE: '/etc/orb8/otlp-client/tls.crt',
    OTEL_EXPORTER_OTLP_CLIENT_KEY: '/etc/orb8/otlp-client/tls.key',
  })
  t.same(container.env?.find(({ name }) => name === 'OTEL_EXPORTER_OTLP_HEADERS')?.valueFrom, {
    secretKeyRef: { name: 'otlp-headers', key: 'headers' },
  })
  t.equal(
    environmentOf(containerOf(renderFile('otlp'), 'orb8')).OTEL_RESOURCE_ATTRIBUTES,
    'k8s.cluster.name=east%201,deployment.environment.name=production',
  )
  t.notOk(Object.keys(environmentOf(containerOf(renderFile('default'), 'orb8'))).some((name) => name.startsWith('OTEL_')))
  t.end()
})

t.test('dcgm-exporter is asked where it is', { skip: NO_HELM }, (t) => {
  const url = (values: object): string | undefined => environmentOf(containerOf(render({ gpu: { dcgm: values } }), 'orb8')).ORB8_DCGM_URL
  t.equal(url({ mode: 'off' }), undefined)
  t.equal(url({ mode: 'node', port: 19400 }), 'http://$(HOST_IP):19400/metrics')
  t.equal(url({ mode: 'sidecar' }), 'http://localhost:9400/metrics')
  t.equal(url({ mode: 'node', url: 'http://[$(HOST_IP)]:9400/metrics' }), 'http://[$(HOST_IP)]:9400/metrics')
  const sidecar = containerOf(renderFile('dcgm-sidecar'), 'dcgm-exporter')
  t.equal(environmentOf(sidecar).DCGM_EXPORTER_LISTEN, '127.0.0.1:9400', 'for nobody else')
  t.end()
})

t.test('off without quotes, which Helm reads as false, is off', { skip: NO_HELM }, (t) => {
  const manifests = render({ settings: { peers: false, kubernetes: true }, gpu: { dcgm: { mode: false } } })
  t.match(environmentOf(containerOf(manifests, 'orb8')), { ORB8_PEERS: 'off', ORB8_KUBERNETES: 'on' })
  t.same(containers(manifests).length, 2)
  t.equal(podOf(render({ settings: { kubernetes: false } })).automountServiceAccountToken, false)
  t.end()
})

t.test('to unload it makes one DaemonSet and nothing else', { skip: NO_HELM }, (t) => {
  const manifests = renderFile('unload')
  t.same(kinds(manifests), ['DaemonSet'])
  const { initContainers, tolerations } = podOf(manifests)
  t.match(initContainers, [{ args: ['unload', '--pin-path=/run/orb8/bpf'] }])
  t.same(tolerations, [{ operator: 'Exists' }])
  t.same(
    podOf(manifests).volumes,
    podOf(renderFile('default')).volumes.filter(({ name }: { name: string }) => name === 'bpf'),
  )
  t.end()
})

t.test('rules and dashboards are the ones of the repository, word for word', { skip: NO_HELM }, (t) => {
  const manifests = renderFile('monitoring')
  const folder = join(CHART, '..', '..')
  const files = (name: string, ending: string): string[] => {
    try {
      return readdirSync(join(folder, name)).filter((file) => file.endsWith(ending))
    } catch {
      return [] // it has none yet
    }
  }
  const groups = files('rules', '.yaml')
    .sort()
    .flatMap((file) => parseYaml(readFileSync(join(folder, 'rules', file), 'utf8')).groups)
  t.same(ofKind(manifests, 'PrometheusRule').spec.groups, groups)
  const maps = manifests.filter(({ kind }) => kind === 'ConfigMap')
  t.equal(maps.length, files('dashboards/json', '.json').length)
  for (const { data, metadata } of maps) {
    t.equal(metadata.labels?.grafana_dashboard, '1')
    for (const [name, text] of Object.entries(data as Record<string, string>))
      t.same(JSON.parse(text), JSON.parse(readFileSync(join(folder, 'dashboards/json', name), 'utf8')), name)
  }
  const own = ofKind(renderFile('everything'), 'PrometheusRule').spec.groups
  t.equal(own.at(-1).name, 'own', 'and those of the values')
  const runbooks = JSON.stringify(own).match(/"runbook_url":"[^"]*"/g) ?? []
  t.ok(
    runbooks.every((url) => url.startsWith('"runbook_url":"https://git.example.org/')),
    'runbooks get their address',
  )
  t.end()
})

t.test('a value that is not there, or not allowed, is refused by name', { skip: NO_HELM }, (t) => {
  for (const [values, words] of [
    [{ settings: { sokets: 1 } }, /sokets/],
    [{ settings: { sockets: 0 } }, /sockets/],
    [{ settings: { peers: 'all' } }, /peers/],
    [{ gpu: { dcgm: { mode: 'host' } } }, /mode/],
    [{ pins: { hostPath: 'relative' } }, /hostPath/],
    [{ nonsense: true }, /nonsense/],
  ] as const)
    t.throws(() => render(values), words)
  t.end()
})

t.test('the notes say what is missing', { skip: NO_HELM }, (t) => {
  const notes = (...set: string[]): string =>
    helm('install', 'orb8', CHART, '--dry-run=client', '--namespace', 'orb8', ...set.flatMap((pair) => ['--set', pair])).split(
      'NOTES:',
    )[1] ?? ''
  t.match(notes(), /Nobody collects yet/)
  t.match(notes(), /unload=true/)
  t.notMatch(notes('podMonitor.enabled=true'), /Nobody collects yet/)
  t.match(notes('web.tls=true'), /https:\/\/localhost:9091/)
  t.match(notes('unload=true'), /rollout status daemonset\/orb8-unload/)
  t.end()
})
