// Keeps of Kubernetes' JSON schemas what our manifests use, for every minor version: test/helm/kubernetes-schemas.json.
// Run for a new version of Kubernetes, with the folder of schemas that the PyPI package kubernetes-validate carries (Apache-2.0):
//   pip download --no-deps kubernetes-validate && unzip -q kubernetes_validate-*.whl -d DIR
//   node scripts/kubernetes-schemas.ts DIR/kubernetes_validate/kubernetes-json-schema
// They are the strict ones, which refuse what the version does not know: objects have no other properties.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const OLDEST = 28
const TARGET = join(import.meta.dirname, '..', 'test', 'helm', 'kubernetes-schemas.json')
const KINDS = [
  'io.k8s.api.apps.v1.DaemonSet',
  'io.k8s.api.core.v1.ConfigMap',
  'io.k8s.api.core.v1.Namespace',
  'io.k8s.api.core.v1.Service',
  'io.k8s.api.core.v1.ServiceAccount',
  'io.k8s.api.networking.v1.NetworkPolicy',
  'io.k8s.api.rbac.v1.ClusterRole',
  'io.k8s.api.rbac.v1.ClusterRoleBinding',
  'io.k8s.api.scheduling.v1.PriorityClass',
]

type Schema = { readonly [key: string]: unknown }

/** Without descriptions and Kubernetes' own extensions; null is left to whoever asks. */
function slim(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(slim)
  if (typeof schema !== 'object' || schema === null) return schema
  return Object.fromEntries(
    Object.entries(schema)
      .filter(([key, value]) => !(key === 'description' && typeof value === 'string') && !key.startsWith('x-'))
      .map(([key, value]) => [key, slim(value)]),
  )
}

function reachable(definitions: Schema): Map<string, string> {
  const kept = new Map<string, string>()
  const waiting = [...KINDS]
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    if (kept.has(name)) continue
    const text = JSON.stringify(slim(definitions[name]))
    kept.set(name, text)
    for (const [, other] of text.matchAll(/"#\/\$defs\/([^"]+)"/g)) if (other !== undefined) waiting.push(other)
  }
  return kept
}

const [folder] = process.argv.slice(2)
if (folder === undefined) throw new Error('name the folder of schemas')
const versions = readdirSync(folder)
  .map((name) => Number(/^v1\.(\d+)\.0-local-strict$/.exec(name)?.[1]))
  .filter((minor) => minor >= OLDEST)
  .sort((a, b) => a - b)
const kinds = Object.fromEntries(KINDS.map((name) => [name.split('.').at(-1), name]))
// Each version has what is new or other than in the version before; what is gone is null.
let before = new Map<string, string>()
const parts = versions.map((minor) => {
  const { $defs } = JSON.parse(readFileSync(join(folder, `v1.${minor}.0-local-strict`, '_definitions.json'), 'utf8')) as { $defs: Schema }
  const now = reachable($defs)
  const news = [...now].filter(([name, text]) => before.get(name) !== text)
  const gone = [...before.keys()].filter((name) => !now.has(name)).map((name) => [name, 'null'] as const)
  before = now
  const lines = [...news, ...gone].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, text]) => `    ${JSON.stringify(name)}: ${text}`)
  return `  "1.${minor}": {\n${lines.join(',\n')}\n  }`
})
writeFileSync(TARGET, `{\n"kinds": ${JSON.stringify(kinds)},\n"versions": {\n${parts.join(',\n')}\n}\n}\n`)
