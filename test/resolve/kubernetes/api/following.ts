// A reflector of pods on an API server of the test's own, with an index that writes down what it is told. Knows both ends.
import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import type { Access, Cluster } from '../../../../src/resolve/kubernetes/api/access.ts'
import { ApiClient } from '../../../../src/resolve/kubernetes/api/client.ts'
import { Reflector, type WatchOptions } from '../../../../src/resolve/kubernetes/api/reflector.ts'
import { TIMING, type Timing } from '../../../../src/resolve/kubernetes/api/timing.ts'
import { ApiServer, type ApiServerOptions } from '../../../harness/api-server.ts'
import { until, within } from '../../../harness/child.ts'
import type { KubernetesObject } from '../../../harness/kubernetes-objects.ts'
import { Undo } from '../../../harness/undo.ts'

export interface Seen {
  readonly name: string
  readonly version: string
}

/** An index as the exporter's are: what was not put since `listing` goes at `listed`. */
export class Index {
  readonly objects = new Map<string, string>()
  /** Every call, in order. */
  readonly calls: string[] = []
  #listed = new Set<string>()

  listing(): void {
    this.calls.push('listing')
    this.#listed = new Set()
  }

  put({ name, version }: Seen): void {
    this.calls.push(`put ${name}`)
    this.objects.set(name, version)
    this.#listed.add(name)
  }

  listed(): void {
    this.calls.push('listed')
    for (const name of this.objects.keys()) if (!this.#listed.has(name)) this.objects.delete(name)
  }

  remove({ name }: Seen): void {
    this.calls.push(`remove ${name}`)
    this.objects.delete(name)
  }
}

export function stripped(raw: unknown): Seen | undefined {
  const { name, resourceVersion } = (raw as KubernetesObject).metadata
  return typeof name === 'string' && typeof resourceVersion === 'string' ? { name, version: resourceVersion } : undefined
}

export interface FollowingOptions {
  readonly server?: ApiServerOptions
  /** Left out: whatever the server's address is, without credentials. */
  readonly cluster?: Cluster
  readonly timing?: Partial<Timing>
  readonly watch?: Partial<WatchOptions<Seen>>
}

/** Waits as asked would make tests slow; a moment keeps a loop from running hot. */
const MOMENT_MS = 2

export class Following {
  readonly index = new Index()
  readonly log: string[] = []
  /** What the metrics were told, in order; times left out. */
  readonly told: string[] = []
  /** Every wait that was asked for, ms. */
  readonly waits: number[] = []
  readonly server: ApiServer
  readonly client: ApiClient
  readonly reflector: Reflector<Seen>
  requests = 0
  bytes = 0
  readonly syncedAt: number[] = []

  constructor(server: ApiServer, { cluster = openCluster(server), timing, watch }: FollowingOptions) {
    this.server = server
    const traffic = {
      asked: () => {
        this.requests++
      },
      received: (bytes: number) => {
        this.bytes += bytes
      },
    }
    this.client = new ApiClient(cluster, { userAgent: 'orb8-test/1', traffic })
    const options: WatchOptions<Seen> = {
      resource: 'pods',
      path: '/api/v1/pods',
      strip: stripped,
      sink: this.index,
      log: { info: (line) => this.log.push(`info ${line}`), warn: (line) => this.log.push(`warn ${line}`) },
      told: {
        connected: (resource, is) => this.told.push(`${resource} ${is ? 'connected' : 'disconnected'}`),
        reconnected: (resource) => this.told.push(`${resource} reconnected`),
        synced: (_, atMs) => this.syncedAt.push(atMs),
        skipped: (resource, reason) => this.told.push(`${resource} skipped ${reason}`),
      },
      ...watch,
    }
    this.reflector = new Reflector(this.client, options, { ...TIMING, ...this.#timing(), ...timing })
  }

  /** Runs the body with a server and a reflector, both gone at its end. `before` fills the server. */
  static test(
    options: FollowingOptions,
    before: (server: ApiServer) => void,
    body: (t: Test, following: Following) => Promise<void>,
  ): (t: Test) => Promise<void> {
    return async (t) => {
      const undo = new Undo()
      try {
        const server = await ApiServer.start(undo, options.server)
        before(server)
        const following = new Following(server, options)
        undo.add({ gently: () => following.close(), atOnce: () => undefined })
        await body(t, following)
        t.same(server.refused, [], 'the role allows all that was asked')
      } finally {
        await undo.all()
      }
    }
  }

  async close(): Promise<void> {
    await this.reflector[Symbol.asyncDispose]()
    await this.client.close()
  }

  get names(): string[] {
    return [...this.index.objects.keys()].sort()
  }

  /** Waits until the index holds these. */
  async holds(...names: readonly string[]): Promise<void> {
    const wanted = [...names].sort().join()
    await until(`${wanted} in the index`, () => this.names.join() === wanted)
  }

  /** Waits until a watch is open at the server. */
  async watching(): Promise<void> {
    await within(this.reflector.synced, 'the first list')
    await until('a watch', () => this.server.watching('pods') === 1 && this.told.at(-1) !== 'pods disconnected')
  }

  #timing(): Partial<Timing> {
    return {
      random: () => 0.5,
      sleep: async (ms, signal) => {
        this.waits.push(Math.round(ms))
        await sleep(MOMENT_MS, undefined, { signal })
      },
      shortWatchMs: 0,
    }
  }
}

/** Follows the server from port to port. */
export function openCluster(server: ApiServer, headers: () => Record<string, string> = () => ({}), inCluster = false): Cluster {
  return {
    inCluster,
    access: async (): Promise<Access> => ({ server: server.url, headers: headers(), tls: {} }),
    renew: () => undefined,
  }
}
