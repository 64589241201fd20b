// How many connections there may be, and whose: a full house makes room at the cost of whoever has most of it. Knows sockets and
// addresses; nothing of what is said on them.
import type { Socket } from 'node:net'

/** An open file each: ten times what a busy cluster's scrapers and probes need. */
const MOST = 1024

/** Requests of one connection without an answer: far more than honest pipelining has, far fewer than scrapes may wait. */
const MOST_UNANSWERED = 32

/** A client at the other end of a unix socket has no address. */
export const addressOf = (socket: Socket): string => socket.remoteAddress ?? 'unix'

export class Connections {
  readonly #most: number
  /** In the order of their coming. */
  readonly #byAddress = new Map<string, Set<Socket>>()
  readonly #unanswered = new WeakMap<Socket, number>()
  #count = 0

  constructor(most: number = MOST) {
    this.#most = most
  }

  /**
   * Takes the connection in, or closes it. Where the house is full, the oldest connection of the address with most of them goes for
   * one of an address that then has half as many at most; so nobody who holds many can keep others out, nor drive them out.
   */
  admit(socket: Socket): boolean {
    const address = addressOf(socket)
    if (this.#count >= this.#most && !this.#makeRoom(this.#byAddress.get(address)?.size ?? 0)) {
      socket.destroy()
      return false
    }
    const same = this.#byAddress.get(address) ?? new Set()
    this.#byAddress.set(address, same.add(socket))
    this.#count++
    socket.once('close', () => this.#leave(address, socket))
    return true
  }

  /** Counts a request until `done`; false where its connection has too many of them. `socket`: also an encrypted one. */
  begin(socket: Socket): boolean {
    const unanswered = (this.#unanswered.get(socket) ?? 0) + 1
    this.#unanswered.set(socket, unanswered)
    return unanswered <= MOST_UNANSWERED
  }

  done(socket: Socket): void {
    this.#unanswered.set(socket, (this.#unanswered.get(socket) ?? 1) - 1)
  }

  closeAll(): void {
    for (const sockets of this.#byAddress.values()) for (const socket of sockets) socket.destroy()
  }

  #makeRoom(newcomers: number): boolean {
    let most: ReadonlySet<Socket> = new Set()
    for (const sockets of this.#byAddress.values()) if (sockets.size > most.size) most = sockets
    const [oldest] = most
    if (oldest === undefined || (newcomers + 1) * 2 > most.size) return false
    oldest.destroy()
    this.#leave(addressOf(oldest), oldest)
    return true
  }

  #leave(address: string, socket: Socket): void {
    const same = this.#byAddress.get(address)
    if (!same?.delete(socket)) return
    this.#count--
    if (same.size === 0) this.#byAddress.delete(address)
  }
}
