// What the Prometheus operator says of a monitor or a rule: by its schema, and by its types, which know of no other fields.
import { execFileSync } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Manifest } from './rendering.ts'

const ROOT = join(import.meta.dirname, '..', '..')
const MODELS = '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1'
const KINDS: ReadonlySet<string> = new Set(['ServiceMonitor', 'PodMonitor', 'PrometheusRule'])

export function isOperators({ apiVersion }: Manifest): boolean {
  return apiVersion.startsWith('monitoring.coreos.com/')
}

interface Model {
  /** Throws where the data is none. */
  validate(): void
}

/** A line for each finding. */
export async function operatorFindings(manifests: readonly Manifest[]): Promise<readonly string[]> {
  const findings: string[] = []
  for (const manifest of manifests) {
    if (!KINDS.has(manifest.kind)) {
      findings.push(`${manifest.kind}: there is no schema for it`)
      continue
    }
    const models = (await import(`${MODELS}/${manifest.kind}`)) as Readonly<Record<string, new (data: unknown) => Model>>
    const Model = models[manifest.kind]
    if (Model === undefined) throw new Error(`${MODELS} has no ${manifest.kind}`)
    try {
      new Model(structuredClone(manifest)).validate()
    } catch (error) {
      findings.push(`${manifest.kind} ${manifest.metadata.name}: ${(error as Error).message}`)
    }
  }
  return [...findings, ...typeFindings(manifests.filter(({ kind }) => KINDS.has(kind)))]
}

/** The compiler refuses literals with fields that the type has not. */
function typeFindings(manifests: readonly Manifest[]): readonly string[] {
  const folder = join(ROOT, 'node_modules', '.cache', `orb8-types-${process.pid}`)
  mkdirSync(folder, { recursive: true })
  try {
    const imports = [...KINDS].map((kind) => `import type { I${kind} } from '${MODELS}/${kind}'`)
    const literals = manifests.map((manifest, index) => `export const m${index}: I${manifest.kind} = ${JSON.stringify(manifest, null, 1)}`)
    writeFileSync(join(folder, 'manifests.ts'), [...imports, ...literals].join('\n'))
    const compilerOptions = { module: 'nodenext', target: 'es2024', strict: true, noEmit: true, skipLibCheck: true, types: [] }
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['manifests.ts'] }))
    execFileSync(process.execPath, [join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc'), '-p', folder], {
      encoding: 'utf8',
      stdio: 'pipe',
    })
    return []
  } catch (error) {
    return String((error as { stdout?: string }).stdout ?? error)
      .trim()
      .split('\n')
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
