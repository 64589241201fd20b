// The chart rendered by the real helm, as objects. Knows how manifests are laid out; nothing of what they should be.
import { globSync } from 'node:fs'
import { basename, join } from 'node:path'
import { parseAllDocuments, stringify } from 'yaml'
import { CHART, type RenderOptions, template } from '../../scripts/chart/render.ts'
import { toolsLack } from '../../scripts/kubernetes-tools.ts'

/** For `skip`: why there is no helm here. */
export const NO_HELM: string | false = toolsLack() ?? false

export const CI_FILES: readonly string[] = globSync(join(CHART, 'ci', '*-values.yaml')).sort()

export interface Manifest {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: { readonly name: string; readonly namespace?: string; readonly labels?: Readonly<Record<string, string>> }
  // biome-ignore lint/suspicious/noExplicitAny: manifests of any kind
  readonly [key: string]: any
}

export interface EnvVar {
  readonly name: string
  readonly value?: string
  readonly valueFrom?: { readonly fieldRef?: { readonly fieldPath: string }; readonly secretKeyRef?: { readonly name: string } }
}

export interface Container {
  readonly name: string
  readonly image: string
  readonly args?: readonly string[]
  readonly command?: readonly string[]
  readonly env?: readonly EnvVar[]
  readonly volumeMounts?: readonly { readonly name: string; readonly mountPath: string; readonly readOnly?: boolean }[]
  // biome-ignore lint/suspicious/noExplicitAny: what else a container has
  readonly [key: string]: any
}

export function parse(text: string): readonly Manifest[] {
  return parseAllDocuments(text)
    .map((document) => {
      const [error] = document.errors
      if (error !== undefined) throw error
      return document.toJS() as Manifest | null
    })
    .filter((manifest) => manifest !== null)
}

export function render(values: object = {}, options: RenderOptions = {}): readonly Manifest[] {
  return parse(template({ values: ['-'], input: stringify(values), ...options }))
}

export function renderFile(name: string, options: RenderOptions = {}): readonly Manifest[] {
  const file = CI_FILES.find((path) => basename(path) === `${name}-values.yaml`)
  if (file === undefined) throw new Error(`no ci/${name}-values.yaml`)
  return parse(template({ values: [file], ...options }))
}

export function ofKind(manifests: readonly Manifest[], kind: string): Manifest {
  const found = manifests.filter((manifest) => manifest.kind === kind)
  if (found.length !== 1) throw new Error(`${found.length} manifests of kind ${kind}`)
  return found[0] as Manifest
}

const rendered = new Map<string, readonly Manifest[]>()

/** With one file of `CI_FILES`, once. */
export function renderOnce(file: string): readonly Manifest[] {
  const known = rendered.get(file) ?? parse(template({ values: [file] }))
  rendered.set(file, known)
  return known
}

/** The pod of the one DaemonSet. */
// biome-ignore lint/suspicious/noExplicitAny: a pod's spec
export function podOf(manifests: readonly Manifest[]): any {
  return ofKind(manifests, 'DaemonSet').spec.template.spec
}

export function containerOf(manifests: readonly Manifest[], name: string): Container {
  const pod = podOf(manifests)
  const found = [...(pod.initContainers ?? []), ...pod.containers].find((container: Container) => container.name === name)
  if (found === undefined) throw new Error(`no container ${name}`)
  return found
}

/** Variables with a value of their own. */
export function environmentOf({ env = [] }: Container): Readonly<Record<string, string>> {
  return Object.fromEntries(env.flatMap(({ name, value }) => (value === undefined ? [] : [[name, value]])))
}
