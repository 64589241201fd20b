// The first page of the ledger: whose it is, and the two words that say how far the drains have come. Knows nothing of slots.
import { finish, hashText, mix, mixNumber, mixWords } from './hash.ts'
import type { LedgerMemory } from './ledger-memory.ts'
import type { LedgerWriter } from './ledger-writer.ts'

/** `orb8ledg`, written last of all. */
const MAGIC = 0x6764656c3862726fn

/** In 8-byte words. */
const AT = { magic: 0, identity: 1, start: 2, check: 3, committed: 4, emptied: 5 } as const

/** Salts, so that no word passes for another. */
const SALT = { identity: 0x1d, identityAgain: 0xa1d, check: 0xc4ec, committed: 0xc033, emptied: 0xe377 } as const

const NUMBER_BITS = 40n
const SOURCE_BITS = 4n
export const MAX_NUMBER = 2 ** Number(NUMBER_BITS) - 1
export const MAX_SOURCE = 2 ** Number(SOURCE_BITS) - 1

/** A drain, and which of the kernel's maps it took. */
export interface Drain {
  readonly number: number
  readonly source: number
}

export class LedgerHeader {
  readonly #numbers: Float64Array
  readonly #halves: Uint32Array
  readonly #words: BigUint64Array
  readonly #write: LedgerWriter

  constructor(memory: LedgerMemory, write: LedgerWriter) {
    this.#numbers = new Float64Array(memory.header)
    this.#halves = new Uint32Array(memory.header)
    this.#words = new BigUint64Array(memory.header)
    this.#write = write
  }

  /** Why nothing can go on from here; undefined where all is well. */
  problem(identity: string): string | undefined {
    if (this.#words.every((word) => word === 0n)) return 'there is none yet'
    if (this.#words[AT.magic] !== MAGIC || this.#halves[AT.check * 2] !== this.#check()) return 'its header is damaged'
    const [first, second] = identify(identity)
    if (this.#halves[AT.identity * 2] !== first || this.#halves[AT.identity * 2 + 1] !== second) {
      return 'its layout, the labels or a limit have changed'
    }
    const committed = this.#read(AT.committed, SALT.committed)
    const emptied = this.#read(AT.emptied, SALT.emptied)
    if (committed === undefined || emptied === undefined || emptied.number > committed.number) return 'its drain numbers are damaged'
    return undefined
  }

  /** From here on nothing in the ledger counts, until `begin`. */
  invalidate(): void {
    this.#write.word(this.#words, AT.magic, 0n)
  }

  /** An empty ledger. `startMs`: when counting began, ms since the epoch. */
  begin(identity: string, startMs: number): void {
    const [first, second] = identify(identity)
    this.#write.uint32(this.#halves, AT.identity * 2, first)
    this.#write.uint32(this.#halves, AT.identity * 2 + 1, second)
    this.#write.float64(this.#numbers, AT.start, startMs)
    this.#write.uint32(this.#halves, AT.check * 2, this.#check())
    this.commit({ number: 0, source: 0 })
    this.empty({ number: 0, source: 0 })
    this.#write.word(this.#words, AT.magic, MAGIC)
  }

  get startMs(): number {
    return this.#numbers[AT.start] as number
  }

  get committed(): Drain {
    return this.#read(AT.committed, SALT.committed) as Drain
  }

  get emptied(): Drain {
    return this.#read(AT.emptied, SALT.emptied) as Drain
  }

  /** The one store that makes a drain count. */
  commit(drain: Drain): void {
    this.#write.word(this.#words, AT.committed, pack(drain, SALT.committed))
  }

  empty(drain: Drain): void {
    this.#write.word(this.#words, AT.emptied, pack(drain, SALT.emptied))
  }

  /** Undefined where it was never written so. */
  #read(at: number, salt: number): Drain | undefined {
    const word = Atomics.load(this.#words, at)
    const number = Number(BigInt.asUintN(Number(NUMBER_BITS), word))
    const source = Number(BigInt.asUintN(Number(SOURCE_BITS), word >> NUMBER_BITS))
    return pack({ number, source }, salt) === word ? { number, source } : undefined
  }

  #check(): number {
    return finish(mixWords(SALT.check, this.#halves, AT.identity * 2, AT.check * 2))
  }
}

function identify(identity: string): [number, number] {
  return [hashText(SALT.identity, identity), hashText(SALT.identityAgain, identity)]
}

/** With 20 bits that only the right number has. */
function pack({ number, source }: Drain, salt: number): bigint {
  const check = BigInt(finish(mix(mixNumber(salt, number), source)) >>> 12)
  return BigInt(number) | (BigInt(source) << NUMBER_BITS) | (check << (NUMBER_BITS + SOURCE_BITS))
}
