// What user space tells the programs while they run: that somebody reads, and how long to take up old connections. Knows the layout of
// `struct control`; nothing of what the programs make of it.
import { CONTROL } from './layouts.ts'
import type { Fd } from './libbpf.ts'
import { readValue, writeValue } from './maps.ts'

const MINUTE_NS = 60n * 1_000_000_000n
/** How long a TCP socket without storage is looked for at each packet: by then those that matter have spoken. */
const ADOPTION_NS = 10n * MINUTE_NS
/** Nobody has read for so long: the programs rest until somebody does. */
const PATIENCE_NS = 15n * MINUTE_NS

export class Control {
  readonly #map: Fd
  readonly #now: () => bigint
  readonly #words = Buffer.alloc(CONTROL.size)

  /** `now`: CLOCK_MONOTONIC, ns, which all processes of a host share. */
  constructor(map: Fd, now: () => bigint) {
    this.#map = map
    this.#now = now
    readValue(map, this.#words)
  }

  /** Somebody reads. Returns since when nobody had, in ms, where the programs rested meanwhile; else 0. */
  beat(): number {
    const now = this.#now()
    const last = this.#words.readBigUInt64LE(CONTROL.heartbeat)
    const away = last === 0n ? 0n : now - last
    this.#words.writeBigUInt64LE(now, CONTROL.heartbeat)
    this.#words.writeBigUInt64LE(PATIENCE_NS, CONTROL.patience)
    writeValue(this.#map, this.#words)
    return away > PATIENCE_NS ? Number(away / 1_000_000n) : 0
  }

  /** In which keys of TCP are counted now: see `take_news` in bpf/connection.h. */
  get epoch(): number {
    return this.#words.readUInt32LE(CONTROL.epoch) & 0xff
  }

  /** What is counted from here on belongs to numbers that begin at 0: every open connection is told again. */
  beginEpoch(): void {
    this.#words.writeUInt32LE(this.epoch + 1, CONTROL.epoch)
    writeValue(this.#map, this.#words)
  }

  /** Connections without storage are taken up at their packets for ten minutes. */
  adopt(): void {
    this.#words.writeBigUInt64LE(this.#now() + ADOPTION_NS, CONTROL.adoptUntil)
    writeValue(this.#map, this.#words)
  }
}
