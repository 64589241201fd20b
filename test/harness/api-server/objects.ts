// The objects of the tests' API server, their versions and their changes, as etcd and the watch cache keep them. Knows nothing of HTTP.
import type { KubernetesObject } from '../kubernetes-objects.ts'

export interface Change {
  readonly version: number
  readonly before: Kept | undefined
  readonly after: Kept | undefined
}

export interface Kept {
  readonly object: KubernetesObject
  readonly text: string
}

export type Selector = (object: KubernetesObject) => boolean

export class Objects {
  readonly #kept = new Map<string, Kept>()
  readonly #changes: Change[] = []
  readonly #watchers = new Set<(change: Change) => void>()
  /** Changes up to this version are no longer known. */
  compacted: number

  constructor(version: number) {
    this.compacted = version
  }

  put(object: KubernetesObject, version: number): void {
    object.metadata.resourceVersion = `${version}`
    const kept = { object: structuredClone(object), text: JSON.stringify(object) }
    this.#change(keyOf(object), kept, version)
  }

  remove(object: KubernetesObject, version: number): void {
    this.#change(keyOf(object), undefined, version)
  }

  all(selects: Selector): Kept[] {
    return [...this.#kept].filter(([, { object }]) => selects(object)).map(([, kept]) => kept)
  }

  since(version: number): readonly Change[] {
    return this.#changes.filter((change) => change.version > version)
  }

  /** Gives what ends it. */
  watch(watcher: (change: Change) => void): () => void {
    this.#watchers.add(watcher)
    return () => this.#watchers.delete(watcher)
  }

  compact(version: number): void {
    this.compacted = version
    this.#changes.splice(0, this.#changes.findLastIndex((change) => change.version <= version) + 1)
  }

  /** The same objects under versions from `version` on, as after a restore. Gives the last one. */
  renumber(version: number): number {
    let last = version
    this.#changes.length = 0
    for (const [key, { object }] of this.#kept) {
      const renumbered = structuredClone(object)
      renumbered.metadata.resourceVersion = `${++last}`
      this.#kept.set(key, { object: renumbered, text: JSON.stringify(renumbered) })
    }
    this.compacted = last
    return last
  }

  #change(key: string, after: Kept | undefined, version: number): void {
    const before = this.#kept.get(key)
    if (after !== undefined) this.#kept.set(key, after)
    else this.#kept.delete(key)
    const change = { version, before, after }
    this.#changes.push(change)
    for (const watcher of this.#watchers) watcher(change)
  }
}

/** The line of a watch for a change, as seen through a selector; empty where it does not concern it. */
export function lineOf({ version, before, after }: Change, selects: Selector): string {
  const was = before !== undefined && selects(before.object)
  const is = after !== undefined && selects(after.object)
  if (after !== undefined && is) return `{"type":"${was ? 'MODIFIED' : 'ADDED'}","object":${after.text}}\n`
  if (before === undefined || !was) return ''
  const last = structuredClone(before.object)
  last.metadata.resourceVersion = `${version}`
  return `${JSON.stringify({ type: 'DELETED', object: last })}\n`
}

/** `spec.nodeName=…` and `metadata.name=…`, as in the query; throws for others. */
export function selectorOf(fieldSelector = ''): Selector {
  if (fieldSelector === '') return () => true
  const [field, value] = fieldSelector.split('=', 2)
  if (field === 'spec.nodeName') return ({ spec }) => spec.nodeName === value
  if (field === 'metadata.name') return ({ metadata }) => metadata.name === value
  throw new Error(`there is no field selector ${fieldSelector}`)
}

function keyOf({ metadata: { namespace = '', name } }: KubernetesObject): string {
  return `${namespace}/${name}`
}
