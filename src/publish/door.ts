// Who may come in, and how: TLS for connections; a limit, headers and users for requests, as the rules of the moment say. Knows when
// rules change; nothing of where they stand, nor of pages.
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { WebRules } from '../model.ts'
import { BasicAuth, type Crypt } from './basic-auth.ts'
import { addressOf } from './connections.ts'
import { rateLimit } from './rate-limit.ts'
import { sendText } from './reply.ts'
import { type TlsEntrance, tlsEntrance } from './tls-entrance.ts'

export interface DoorOptions {
  /** The rules now: the same object until they change. Throws what is wrong with new ones; those before then stay in force. */
  readonly rules: () => WebRules
  /** Is asked for once there are users. */
  readonly crypt: () => Promise<Crypt>
  /** Gets the rules as they come into force, and what is wrong with those that do not, once each. */
  readonly tell?: { changed(rules: WebRules): void; refused(error: unknown): void }
}

interface Doings {
  /** Gets each connection that may go on, encrypted or not. */
  readonly pass: (socket: Socket) => void
  readonly handshakeMs?: number | undefined
}

interface InForce {
  readonly rules: WebRules
  readonly entrance: TlsEntrance | undefined
  readonly allows: (() => boolean) | undefined
  readonly auth: BasicAuth | undefined
}

export class Door {
  readonly #options: DoorOptions
  readonly #doings: Doings
  #inForce: InForce
  /** What was said of rules that are not in force. */
  #refused: string | undefined
  /** Under whose encryption a connection came in. */
  readonly #cameBy = new WeakMap<Socket, TlsEntrance>()

  private constructor(options: DoorOptions, doings: Doings, rules: WebRules) {
    this.#options = options
    this.#doings = doings
    this.#inForce = this.#make(rules, undefined)
    options.tell?.changed(rules)
  }

  /** Throws where the rules cannot be had, or not be followed. */
  static async open(options: DoorOptions, doings: Doings): Promise<Door> {
    const rules = options.rules()
    if (rules.users.size > 0) await options.crypt()
    return new Door(options, doings, rules)
  }

  receive(raw: Socket): void {
    const { entrance } = this.#now()
    if (entrance === undefined) this.#doings.pass(raw)
    else entrance(raw)
  }

  /** Resolves to false where the request has had its answer. */
  async admit(request: IncomingMessage, response: ServerResponse): Promise<boolean> {
    const { rules, entrance, allows, auth } = this.#now()
    for (const [name, value] of Object.entries(rules.headers)) response.setHeader(name, value)
    // A connection from before lives to its next request, and no longer.
    if (this.#cameBy.get(request.socket) !== entrance) response.setHeader('Connection', 'close')
    if (allows !== undefined && !allows()) return refuse(request, response, 429, 'too many requests: the rate limit is reached')
    if (auth === undefined) return true
    const opinion = await auth.check(request.headers.authorization, addressOf(request.socket))
    if (opinion === 'granted') return true
    if (opinion === 'busy') return refuse(request, response, 503, 'too many passwords are waiting to be looked at')
    response.setHeader('WWW-Authenticate', 'Basic realm="orb8", charset="UTF-8"')
    return refuse(request, response, 401, 'unauthorized')
  }

  #now(): InForce {
    try {
      const rules = this.#options.rules()
      if (rules !== this.#inForce.rules) {
        this.#inForce = this.#make(rules, this.#inForce)
        this.#options.tell?.changed(rules)
      }
      this.#refused = undefined
    } catch (error) {
      const said = String(error)
      if (this.#refused !== said) this.#options.tell?.refused(error)
      this.#refused = said
    }
    return this.#inForce
  }

  /** What has not changed goes on as it is: its sessions, its bucket, what it remembers. */
  #make(rules: WebRules, before: InForce | undefined): InForce {
    const isAsBefore = (part: 'tls' | 'rateLimit' | 'users'): boolean => before !== undefined && isSame(before.rules[part], rules[part])
    return {
      rules,
      entrance: isAsBefore('tls') ? before?.entrance : rules.tls && this.#entrance(rules.tls),
      allows: isAsBefore('rateLimit') ? before?.allows : rules.rateLimit && rateLimit(rules.rateLimit),
      auth: isAsBefore('users') ? before?.auth : rules.users.size > 0 ? new BasicAuth(rules.users, this.#crypt()) : undefined,
    }
  }

  #entrance(tls: NonNullable<WebRules['tls']>): TlsEntrance {
    const entrance = tlsEntrance({
      tls,
      handshakeMs: this.#doings.handshakeMs,
      pass: (socket) => {
        this.#cameBy.set(socket, entrance)
        this.#doings.pass(socket)
      },
    })
    return entrance
  }

  #crypt(): Promise<Crypt> {
    const crypt = this.#options.crypt()
    // Told to whoever asks to come in.
    crypt.catch(() => undefined)
    return crypt
  }
}

const isSame = (left: unknown, right: unknown): boolean => JSON.stringify(left, spread) === JSON.stringify(right, spread)

const spread = (_key: string, value: unknown): unknown => (value instanceof Map ? [...value] : value)

function refuse(request: IncomingMessage, response: ServerResponse, status: number, line: string): false {
  sendText(request, response, status, line)
  return false
}
