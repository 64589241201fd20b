// Says whose name and password are right. Knows HTTP's Basic scheme and the form of bcrypt hashes; computes none itself, and keeps
// no password.
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'
import { FairQueue } from './fair-queue.ts'

/**
 * The bcrypt hash of a password with the cost and the salt of `setting`, which is a hash itself; undefined for a password that has
 * none. Off the event loop.
 */
export type Crypt = (password: Buffer, setting: string) => Promise<string | undefined>

/** `busy`: too many passwords are waiting to be looked at. */
export type Opinion = 'granted' | 'refused' | 'busy'

/** Wrong ones remembered, 64 characters each: a scraper with an old password then costs nothing. */
const MOST_REFUSED = 1024

/** A cost of 10 takes some 50 ms: who waits last waits for a few seconds. */
const WAITING = { ofOne: 8, ofAll: 128 }

/** After a wrong one as long a rest as it took, this at most: guessing takes half a core of a machine, not a whole one. */
const LONGEST_REST_MS = 1000

/** Of a hash's 60 characters: the version, the cost and the salt come before. */
const SETTING_LENGTH = 29

export class BasicAuth {
  readonly #users: ReadonlyMap<string, string>
  readonly #hashes: readonly string[]
  readonly #crypt: Promise<Crypt>
  readonly #queue = new FairQueue(WAITING)
  readonly #secret = randomBytes(32)
  /** User to the digest of what was right: one each. */
  readonly #granted = new Map<string, Buffer>()
  readonly #refused = new Set<string>()
  readonly #underWay = new Map<string, Promise<boolean>>()

  /** `users`: to bcrypt hash; one at least. */
  constructor(users: ReadonlyMap<string, string>, crypt: Promise<Crypt>) {
    this.#users = users
    this.#hashes = [...users.values()]
    this.#crypt = crypt
  }

  /** `header`: Authorization, if there is one. `from`: who asks, as an address. Rejects where crypt fails. */
  async check(header: string | undefined, from: string): Promise<Opinion> {
    const credentials = parse(header)
    if (credentials === undefined) return 'refused'
    const { user, password } = credentials
    const digest = this.#digest(user, password)
    const right = this.#granted.get(user)
    if (right !== undefined && timingSafeEqual(right, digest)) return 'granted'
    const id = digest.toString('hex')
    if (this.#refused.has(id)) return 'refused'
    const granted = this.#underWay.get(id) ?? this.#compute(user, password, id, digest, from)
    if (granted === undefined) return 'busy'
    return (await granted) ? 'granted' : 'refused'
  }

  /** Those who ask the same at the same time share the work. undefined where no room is left for it. */
  #compute(user: string, password: Buffer, id: string, digest: Buffer, from: string): Promise<boolean> | undefined {
    const { promise, resolve, reject } = Promise.withResolvers<boolean>()
    const queued = this.#queue.run(from, async () => {
      const began = performance.now()
      const granted = await this.#isRight(user, password)
      if (granted) this.#granted.set(user, digest)
      else this.#refuse(id)
      resolve(granted)
      if (!granted) await setTimeout(Math.min(performance.now() - began, LONGEST_REST_MS))
    })
    if (queued === undefined) return undefined
    this.#underWay.set(id, promise)
    promise.then(
      () => this.#underWay.delete(id),
      () => this.#underWay.delete(id),
    )
    queued.catch(reject)
    return promise
  }

  async #isRight(user: string, password: Buffer): Promise<boolean> {
    const crypt = await this.#crypt
    const own = this.#users.get(user)
    // One who does not exist takes as long as one of those who do, always the same.
    const hash = own ?? this.#hashes[this.#digest(user).readUInt32BE() % this.#hashes.length] ?? ''
    const computed = await crypt(password, hash)
    const [got, wanted] = [computed, hash].map((text) => Buffer.from(text?.slice(SETTING_LENGTH) ?? ''))
    return got !== undefined && wanted !== undefined && got.length === wanted.length && timingSafeEqual(got, wanted) && own !== undefined
  }

  #refuse(id: string): void {
    this.#refused.add(id)
    if (this.#refused.size <= MOST_REFUSED) return
    const [oldest = ''] = this.#refused
    this.#refused.delete(oldest)
  }

  #digest(user: string, password: Buffer = Buffer.alloc(0)): Buffer {
    return createHmac('sha256', this.#secret)
      .update(`${Buffer.byteLength(user)} ${user}`)
      .update(password)
      .digest()
  }
}

function parse(header: string | undefined): { readonly user: string; readonly password: Buffer } | undefined {
  const encoded = /^Basic +([A-Za-z0-9+/]+={0,2})$/i.exec(header ?? '')?.[1]
  if (encoded === undefined) return undefined
  const bytes = Buffer.from(encoded, 'base64')
  const colon = bytes.indexOf(58)
  return colon < 0 ? undefined : { user: bytes.toString('utf8', 0, colon), password: bytes.subarray(colon + 1) }
}
