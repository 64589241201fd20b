// Follows resources of an API server, each begun and ended by its name while the others go on. Knows when; nothing of what they are.

import type { Logger } from '../../log.ts'
import type { Self } from '../../publish/self.ts'
import type { Cluster } from '../../resolve/kubernetes/api/access.ts'
import type { ApiClient } from '../../resolve/kubernetes/api/client.ts'
import type { ObjectSink } from '../../resolve/kubernetes/api/intake.ts'
import type { Reflector, WatchOptions } from '../../resolve/kubernetes/api/reflector.ts'
import { USER_AGENT } from '../../version.ts'

export type Followed<T> = Pick<WatchOptions<T>, 'resource' | 'path' | 'fieldSelector' | 'strip' | 'sink'>

type Told = Self['kubernetes']

export interface FollowersWorld {
  readonly log: Logger
  readonly told: Told
  /** A full list has been taken in. */
  readonly listed: () => void
}

interface Follower {
  readonly gate: { open: boolean }
  readonly reflector: AsyncDisposable
}

export class Followers implements AsyncDisposable {
  readonly #client: ApiClient
  readonly #Reflector: typeof Reflector
  readonly #log: Logger
  readonly #told: Told
  readonly #listed: () => void
  readonly #running = new Map<string, Follower>()
  /** One beginning or end at a time. */
  #changes: Promise<void> = Promise.resolve()

  private constructor(client: ApiClient, reflector: typeof Reflector, { log, told, listed }: FollowersWorld) {
    this.#client = client
    this.#Reflector = reflector
    this.#log = log
    this.#told = told
    this.#listed = listed
  }

  /** Who asks no API server does without its client. */
  static async open(cluster: Cluster, world: FollowersWorld): Promise<Followers> {
    const { ApiClient } = await import('../../resolve/kubernetes/api/client.ts')
    const { Reflector } = await import('../../resolve/kubernetes/api/reflector.ts')
    return new Followers(new ApiClient(cluster, { userAgent: USER_AGENT }), Reflector, world)
  }

  begin<T>(followed: Followed<T>): void {
    this.#changes = this.#changes.then(() => {
      if (this.#running.has(followed.resource)) return
      const gate = { open: true }
      const sink = gated(followed.sink, gate, this.#listed)
      const reflector = new this.#Reflector(this.#client, { ...followed, sink, told: this.#told, log: this.#log })
      this.#running.set(followed.resource, { gate, reflector })
    })
  }

  /** From here on its sink hears nothing. */
  end(resource: string): void {
    const running = this.#running.get(resource)
    if (running !== undefined) running.gate.open = false
    this.#changes = this.#changes.then(async () => {
      const follower = this.#running.get(resource)
      if (follower === undefined) return
      follower.gate.open = false
      this.#running.delete(resource)
      await follower.reflector[Symbol.asyncDispose]()
      this.#told.left(resource)
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const resource of [...this.#running.keys()]) this.end(resource)
    await this.#changes
    await this.#client.close()
  }
}

function gated<T>(sink: ObjectSink<T>, gate: { readonly open: boolean }, listed: () => void): ObjectSink<T> {
  return {
    listing: () => (gate.open ? sink.listing() : undefined),
    put: (object) => (gate.open ? sink.put(object) : undefined),
    async listed() {
      if (gate.open) await sink.listed()
      listed()
    },
    remove: (object) => (gate.open ? sink.remove(object) : undefined),
  }
}
