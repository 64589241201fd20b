// Asks kubelet who holds which device, over the socket of its pod-resources service. Knows gRPC and when to dial anew; nothing of
// what the devices are.
import { stat } from 'node:fs/promises'
import { Client, credentials, type ServiceError, status } from '@grpc/grpc-js'
import { Orb8Error } from '../errors.ts'
import { allocatableIn, type Holding, holdingsIn } from './pod-resources-messages.ts'

export interface PodResourcesOptions {
  /** Made anew by each kubelet: its directory is what a container mounts. */
  readonly socket: string
  /** How long one who asks waits; the question goes on. */
  readonly waitMs?: number
  /** How long kubelet may take. */
  readonly limitMs?: number
  /** For so long an answer stands while kubelet is away. */
  readonly keepMs?: number
  /** Between two askings for what can be handed out. */
  readonly totalEveryMs?: number
  /** ms, monotonic. */
  readonly now?: () => number
}

export interface Held {
  readonly holdings: readonly Holding[]
  /** Ids by resource; undefined where this kubelet does not tell. */
  readonly allocatable: ReadonlyMap<string, readonly string[]> | undefined
}

export class PodResourcesError extends Orb8Error {
  override readonly name = 'PodResourcesError'
  /** gRPC's word in lower case: a label. */
  readonly code: string

  constructor(socket: string, code: string, reason: string, remedy: string, cause: unknown) {
    super(`ask kubelet at ${socket}`, reason, remedy, { cause })
    this.code = code
  }
}

/** It answers within milliseconds. */
const WAIT_MS = 1000
/** Its own clients give it so long. */
const LIMIT_MS = 10_000
/** kubelet restarts within seconds; nothing is handed out meanwhile. */
const KEEP_MS = 60_000
const TOTAL_EVERY_MS = 60_000
/** kubelet answers 100 a second, to all who ask: several collections at once ask once. */
const FRESH_MS = 1000
/** 500 pods of 20 containers with the ids of their CPUs are 4 MB. */
const MOST_BYTES = 32 * 2 ** 20
const SERVICE = '/v1.PodResourcesLister/'

interface Dialled {
  readonly client: Client
  /** Which socket it is. */
  readonly identity: string
}

export class PodResources {
  readonly #options: PodResourcesOptions
  readonly #now: () => number
  #dialled: Dialled | undefined
  #last: { readonly held: Held; readonly atMs: number } | undefined
  #total: { readonly ids: Held['allocatable']; readonly atMs: number } | undefined
  #asking: Promise<Held | undefined> | undefined
  /** Somebody has waited for it as long as one waits. */
  #late = false

  constructor(options: PodResourcesOptions) {
    this.#options = options
    this.#now = options.now ?? (() => performance.now())
  }

  /** The last answer while it stands; what to go by where asking fails. */
  get lastKnown(): Held | undefined {
    return this.#within(this.#options.keepMs ?? KEEP_MS)
  }

  /** Undefined where there never was such a socket. Rejects with PodResourcesError where kubelet does not answer, or not soon. */
  async ask(): Promise<Held | undefined> {
    const fresh = this.#within(FRESH_MS)
    if (fresh !== undefined) return fresh
    this.#asking ??= this.#ask().finally(() => {
      this.#asking = undefined
      this.#late = false
    })
    this.#asking.catch(() => undefined)
    // Nobody waits again for what was waited for in vain.
    const limit = Promise.withResolvers<never>()
    const timer = setTimeout(
      () => {
        this.#late = this.#asking !== undefined
        limit.reject(new PodResourcesError(this.#options.socket, 'deadline_exceeded', 'no answer yet', '', undefined))
      },
      this.#late ? 0 : (this.#options.waitMs ?? WAIT_MS),
    )
    try {
      return await Promise.race([this.#asking, limit.promise])
    } finally {
      clearTimeout(timer)
    }
  }

  close(): void {
    this.#dialled?.client.close()
    this.#dialled = undefined
  }

  #within(ms: number): Held | undefined {
    return this.#last !== undefined && this.#now() - this.#last.atMs <= ms ? this.#last.held : undefined
  }

  async #ask(): Promise<Held | undefined> {
    const { socket } = this.#options
    try {
      const client = await this.#dial()
      if (client === undefined) {
        if (this.#last === undefined) return undefined
        throw new Error('its socket has gone')
      }
      const holdings = holdingsIn(await this.#call(client, 'List'))
      const held = { holdings, allocatable: await this.#allocatable(client) }
      this.#last = { held, atMs: this.#now() }
      return held
    } catch (error) {
      const { code, details, message } = error as Partial<ServiceError> & Error
      const name = typeof code === 'number' ? (status[code] ?? 'UNKNOWN') : error instanceof RangeError ? 'DATA_LOSS' : 'UNAVAILABLE'
      throw new PodResourcesError(socket, name.toLowerCase(), details || message, remedyOf(name), error)
    }
  }

  /** Anew where the socket is another one than that which was dialled. */
  async #dial(): Promise<Client | undefined> {
    const { socket } = this.#options
    const found = await stat(socket).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined
      throw error
    })
    const identity = found === undefined ? '' : `${found.dev} ${found.ino} ${found.ctimeMs}`
    if (this.#dialled?.identity !== identity) this.close()
    if (found === undefined) return undefined
    this.#dialled ??= {
      identity,
      client: new Client(`unix:${socket}`, credentials.createInsecure(), {
        'grpc.max_receive_message_length': MOST_BYTES,
        'grpc.service_config_disable_resolution': 1,
        'grpc.enable_http_proxy': 0,
      }),
    }
    return this.#dialled.client
  }

  /** Rarely, for it rarely changes. A kubelet that does not tell is no failure. */
  async #allocatable(client: Client): Promise<Held['allocatable']> {
    if (this.#total !== undefined && this.#now() - this.#total.atMs < (this.#options.totalEveryMs ?? TOTAL_EVERY_MS)) return this.#total.ids
    const ids = await this.#call(client, 'GetAllocatableResources').then(allocatableIn, () => undefined)
    this.#total = { ids, atMs: this.#now() }
    return ids
  }

  #call(client: Client, method: string): Promise<Buffer> {
    const deadline = Date.now() + (this.#options.limitMs ?? LIMIT_MS)
    const asIs = (bytes: Buffer): Buffer => bytes
    return new Promise((resolve, reject) => {
      client.makeUnaryRequest(SERVICE + method, asIs, asIs, Buffer.alloc(0), { deadline }, (error, answer) => {
        if (error === null && answer !== undefined) resolve(answer)
        else reject(error ?? new Error('an answer without a message'))
      })
    })
  }
}

function remedyOf(code: string): string {
  if (code === 'UNAVAILABLE') return 'is kubelet running, and may this process open its socket?'
  if (code === 'UNIMPLEMENTED') return 'kubelet has this service from 1.20 on'
  return ''
}
