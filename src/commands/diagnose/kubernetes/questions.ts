// Short questions to an API server, asked as the exporter would and given up early. Knows the protocol; judges no answer.
import type { ApiClient } from '../../../resolve/kubernetes/api/client.ts'
import { isRecord, parsed, versionOf } from '../../../resolve/kubernetes/api/events.ts'
import { ApiFailure } from '../../../resolve/kubernetes/api/failure.ts'
import { Intake, MAX_OBJECT_BYTES } from '../../../resolve/kubernetes/api/intake.ts'
import { list } from '../../../resolve/kubernetes/api/list.ts'

/** Several questions have to fit into one check. */
const SILENCE_MS = 5000
/** Around one object. */
const MAX_ANSWER_BYTES = MAX_OBJECT_BYTES + 65_536

export interface Listed {
  readonly count: number
  /** A watch can begin from it. */
  readonly version: string
}

/** Every method throws Orb8Error where the answer is no. */
export class Questions {
  readonly #client: ApiClient
  readonly #silenceMs: number

  constructor(client: ApiClient, silenceMs = SILENCE_MS) {
    this.#client = client
    this.#silenceMs = silenceMs
  }

  /** Of all pages: for what is few. */
  async all(resource: string, fieldSelector: string): Promise<Listed> {
    let count = 0
    const begin = (): void => {
      count = 0
    }
    const put = (): void => {
      count++
    }
    const sink = { listing: begin, put, listed: () => undefined, remove: () => undefined }
    const question = { ...this.#question(`list ${resource}`, resource), fieldSelector, atLeast: '0' }
    const version = await list(this.#client, question, new Intake<true>(sink, () => true, put))
    return { count, version }
  }

  /** One at most, of however many there are. */
  async first(resource: string, fieldSelector?: string): Promise<Listed> {
    const question = this.#question(`list ${resource}`, resource)
    const query = new URLSearchParams({ limit: '1', ...(fieldSelector !== undefined && { fieldSelector }) })
    const parts: Buffer[] = []
    let bytes = 0
    for await (const chunk of await this.#client.get({ ...question, query })) {
      bytes += chunk.length
      if (bytes > MAX_ANSWER_BYTES) break
      parts.push(chunk)
    }
    const answer = parsed(Buffer.concat(parts).toString())
    const version = versionOf(answer)
    const items: unknown = isRecord(answer) ? answer.items : undefined
    if (version === '' || !Array.isArray(items))
      throw new ApiFailure(question.deed, 'the answer is no list of Kubernetes', 'is there a proxy in between?')
    return { count: items.length, version }
  }

  /** Resolves once the server has begun to tell, and ends it. */
  async watch(resource: string, version: string, fieldSelector?: string): Promise<void> {
    const end = new AbortController()
    const selector = fieldSelector === undefined ? {} : { fieldSelector }
    const query = new URLSearchParams({ ...selector, watch: 'true', resourceVersion: version, timeoutSeconds: '1' })
    const events = await this.#client.get({ ...this.#question(`watch ${resource}`, resource), query, signal: end.signal })
    const told = events.next()
    end.abort()
    await told.catch(() => undefined)
  }

  #question(deed: string, resource: string) {
    return { deed, path: `/api/v1/${resource}`, silenceMs: this.#silenceMs, signal: new AbortController().signal }
  }
}
