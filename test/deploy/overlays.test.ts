import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { kubernetesTools } from '../../scripts/kubernetes-tools.ts'
import { findings, VERSIONS } from '../helm/kubernetes-schemas.ts'
import { isOperators } from '../helm/operator-schemas.ts'
import { type Manifest, NO_HELM, ofKind, parse, renderFile } from '../helm/rendering.ts'

const ROOT = join(import.meta.dirname, '..', '..')
const HELMS_OWN: ReadonlySet<string> = new Set(['helm.sh/chart', 'app.kubernetes.io/managed-by'])

const build = (folder: string): readonly Manifest[] =>
  parse(execFileSync(kubernetesTools().kubectl, ['kustomize', join(ROOT, 'deploy', folder)], { encoding: 'utf8', stdio: 'pipe' }))

/** By kind and name; lists whose order means nothing are in one, and Helm's labels are not there. */
function comparable(manifests: readonly Manifest[]): ReadonlyMap<string, unknown> {
  return new Map(
    manifests
      .filter(({ kind }) => kind !== 'Namespace')
      .map((manifest) => [`${manifest.kind} ${manifest.metadata.name}`, sorted(manifest)] as const)
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  )
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) {
    const items = value.map(sorted)
    const isNamed = items.every((item) => typeof item === 'object' && item !== null && 'name' in item)
    return isNamed ? items.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)) : items
  }
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key]) => !HELMS_OWN.has(key))
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, item]) => [key, sorted(item)]),
  )
}

for (const [folder, values] of [
  ['base', 'default'],
  ['overlays/operator', 'operator'],
  ['overlays/gpu', 'gpu'],
  ['overlays/otlp', 'otlp'],
  ['overlays/root', 'old-kernel'],
] as const)
  t.test(`kustomize makes of deploy/${folder} what helm makes with ci/${values}-values.yaml`, { skip: NO_HELM }, (t) => {
    t.same(comparable(build(folder)), comparable(renderFile(values)))
    t.end()
  })

t.test('the base has a namespace of its own, in which its pods may mount directories of the node', { skip: NO_HELM }, (t) => {
  const namespace = ofKind(build('base'), 'Namespace')
  t.equal(namespace.metadata.labels?.['pod-security.kubernetes.io/enforce'], 'privileged')
  t.ok(build('base').every((manifest) => (manifest.metadata.namespace ?? 'orb8') === namespace.metadata.name))
  t.end()
})

t.test('the plain manifests are ones that Kubernetes takes', (t) => {
  for (const file of ['deploy/base/namespace.yaml', 'deploy/base/orb8.yaml', 'deploy/unload.yaml', 'servicemonitor.yaml']) {
    const manifests = parse(readFileSync(join(ROOT, file), 'utf8'))
    t.not(manifests.length, 0)
    for (const manifest of manifests.filter((each) => !isOperators(each)))
      t.same(
        VERSIONS.flatMap((version) => findings(manifest, version)),
        [],
        `${file}: ${manifest.kind}`,
      )
    t.notMatch(JSON.stringify(manifests), /helm\.sh|"Helm"/)
  }
  t.end()
})

t.test('the monitor at the top level finds the Service of the plain manifests', (t) => {
  const monitor = ofKind(parse(readFileSync(join(ROOT, 'servicemonitor.yaml'), 'utf8')), 'ServiceMonitor')
  const service = ofKind(parse(readFileSync(join(ROOT, 'deploy/base/orb8.yaml'), 'utf8')), 'Service')
  t.match(service.metadata.labels, monitor.spec.selector.matchLabels)
  t.same(monitor.spec.namespaceSelector.matchNames, [service.metadata.namespace])
  t.equal(monitor.spec.endpoints[0].port, service.spec.ports[0].name)
  t.end()
})
