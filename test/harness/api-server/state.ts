// All that the tests' API server keeps: the objects of each resource, one count of versions, and pages that were begun. Knows no HTTP.
import type { KubernetesObject } from '../kubernetes-objects.ts'
import { type Kept, Objects, selectorOf } from './objects.ts'
import { type Asked, RESOURCES, type Refusal } from './requests.ts'

export class State {
  version: number
  readonly #pagesAtZero: boolean
  readonly #resources: ReadonlyMap<string, Objects>
  readonly #pages = new Map<string, { readonly rest: readonly Kept[]; readonly version: number }>()

  constructor(firstVersion: number, pagesAtZero: boolean) {
    this.version = firstVersion
    this.#pagesAtZero = pagesAtZero
    this.#resources = new Map([...RESOURCES.keys()].map((resource) => [resource, new Objects(firstVersion)]))
  }

  objects(resource: string): Objects {
    const objects = this.#resources.get(resource)
    if (objects === undefined) throw new Error(`this API server has no ${resource}`)
    return objects
  }

  put(object: KubernetesObject): void {
    this.#of(object).put(object, ++this.version)
  }

  remove(object: KubernetesObject): void {
    this.#of(object).remove(object, ++this.version)
  }

  compact(): void {
    for (const objects of this.#resources.values()) objects.compact(this.version)
    this.#pages.clear()
  }

  renumber(firstVersion: number): void {
    this.version = firstVersion
    for (const objects of this.#resources.values()) this.version = objects.renumber(this.version)
  }

  /** The body of a list. */
  list({ query, resource }: Asked): string | Refusal {
    const { resourceVersion: atLeast = '', limit = '', continue: token = '', fieldSelector } = query
    const begun = this.#pages.get(token)
    if (token !== '' && begun === undefined)
      return { status: 410, reason: 'Expired', message: 'The provided continue parameter is too old' }
    if (Number(atLeast) > this.version) {
      const message = `Timeout: Too large resource version: ${atLeast}, current: ${this.version}`
      return { status: 504, reason: 'Timeout', message, retryAfter: '1' }
    }
    const { rest, version } = begun ?? { rest: this.objects(resource).all(selectorOf(fieldSelector)), version: this.version }
    const size = limit === '' || (atLeast === '0' && !this.#pagesAtZero) ? rest.length : Number(limit)
    const metadata: Record<string, unknown> = { resourceVersion: `${version}`, ...this.#next(rest.slice(size), version) }
    const items = rest.slice(0, size).map(({ text }) => withoutKind(text))
    return `{"kind":"${RESOURCES.get(resource)}List","apiVersion":"v1","metadata":${JSON.stringify(metadata)},"items":[${items.join(',')}]}\n`
  }

  #next(rest: readonly Kept[], version: number): Record<string, unknown> {
    if (rest.length === 0) return {}
    const token = Buffer.from(`${version} ${rest.length} ${this.#pages.size}`).toString('base64url')
    this.#pages.set(token, { rest, version })
    return { continue: token, remainingItemCount: rest.length }
  }

  #of({ kind }: KubernetesObject): Objects {
    return this.objects([...RESOURCES].find(([, each]) => each === kind)?.[0] ?? kind)
  }
}

/** In a list, real servers leave kind and version out of each item. */
function withoutKind(text: string): string {
  return text.replace(/^\{"apiVersion":"v1","kind":"\w+",/, '{')
}
