// The chart as plain manifests. Runs helm; knows nothing of what is in the chart.
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { kubernetesTools } from '../kubernetes-tools.ts'

export const CHART = join(import.meta.dirname, '..', '..', 'helm', 'orb8')
/** Of the plain manifests, and of the examples in README.md. */
export const NAMESPACE = 'orb8'

export interface RenderOptions {
  /** Files, or `-` for `input`. */
  readonly values?: readonly string[]
  readonly input?: string
  /** As for --set. */
  readonly set?: readonly string[]
  readonly namespace?: string
  readonly release?: string
  readonly kubeVersion?: string
}

/** What `helm template` prints. Throws with helm's own words where the values are wrong. */
export function template({
  values = [],
  input = '',
  set = [],
  namespace = NAMESPACE,
  release = 'orb8',
  kubeVersion,
}: RenderOptions = {}): string {
  const args = [
    ...['template', release, CHART, '--namespace', namespace],
    ...values.flatMap((file) => ['--values', file]),
    ...set.flatMap((pair) => ['--set', pair]),
    ...(kubeVersion === undefined ? [] : ['--kube-version', kubeVersion]),
  ]
  return execFileSync(kubernetesTools().helm, args, { encoding: 'utf8', maxBuffer: 1 << 26, stdio: 'pipe', input })
}

/** Without what only Helm needs, under comments of its own. */
export function plain(rendered: string, head: readonly string[], wanted: (kind: string) => boolean = () => true): string {
  const documents = rendered
    .split(/^---$/m)
    .map((document) =>
      document
        .split('\n')
        .filter((line) => !/^# Source: |^\s+(helm\.sh\/chart|app\.kubernetes\.io\/managed-by): /.test(line))
        .join('\n')
        .trim(),
    )
    .filter((document) => document !== '' && wanted(/^kind: (\w+)$/m.exec(document)?.[1] ?? ''))
  return `${head.map((line) => `# ${line}\n`).join('')}${documents.map((document) => `---\n${document}\n`).join('')}`
}
