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

  /** Has nobody ever read? */
  get isUnread(): boolean {
    return this.#words.readBigUInt64LE(CONTROL.heartbeat) === 0n
  }

  /**
   * Somebody reads: the programs count. Returns for how long nobody had, in ms, where they rested meanwhile; else 0. Such a gap is told
   * again, also to another process, until `endGap`.
   */
  beat(): number {
    const away = this.isUnread ? 0n : this.#now() - this.#words.readBigUInt64LE(CONTROL.heartbeat)
    if (away > PATIENCE_NS) this.#write({ patience: 0n })
    else this.#write({ heartbeat: this.#now(), patience: PATIENCE_NS })
    return away > PATIENCE_NS ? Number(away / 1_000_000n) : 0
  }

  /** What was opened in the gap has been taken up. */
  endGap(): void {
    this.#write({ heartbeat: this.#now(), patience: PATIENCE_NS })
  }

  /** In which keys of TCP are counted now: see `take_news` in bpf/connection.h. */
  get epoch(): number {
    return this.#words.readUInt32LE(CONTROL.epoch) & 0xff
  }

  /** What is counted from here on belongs to numbers that begin at 0: every open connection is told again. */
  beginEpoch(): void {
    this.#words.writeUInt32LE(this.epoch + 1, CONTROL.epoch)
    this.#write({})
  }

  /** Connections without storage are taken up at their packets for ten minutes. */
  adopt(): void {
    this.#write({ adoptUntil: this.#now() + ADOPTION_NS })
  }

  /** Is there a note of what unconnected datagrams are sent to? */
  noteDials(noted: boolean): void {
    if ((this.#words.readUInt32LE(CONTROL.dials) === 1) === noted) return
    this.#words.writeUInt32LE(noted ? 1 : 0, CONTROL.dials)
    this.#write({})
  }

  #write(words: Partial<Record<'adoptUntil' | 'heartbeat' | 'patience', bigint>>): void {
    const next = Buffer.from(this.#words)
    for (const [name, word] of Object.entries(words)) next.writeBigUInt64LE(word, CONTROL[name as keyof typeof words])
    writeValue(this.#map, next)
    next.copy(this.#words)
  }
}
