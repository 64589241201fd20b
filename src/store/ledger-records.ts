// What a slot's series is: its kind, id, start and labels, as UTF-8 over as many slots as it takes. Knows nothing of its numbers.
import { finish, mix, mixNumber, mixWords } from './hash.ts'
import { type LedgerSlots, type RecordHead, TEXT_WORDS } from './ledger-slots.ts'
import type { Slot } from './numbers.ts'

export interface LedgerRecord {
  /** Which table it belongs to. */
  readonly kind: number
  /** Rises with every record made. */
  readonly id: number
  readonly startMs: number
  readonly labels: readonly string[]
}

/** Labels of one series, UTF-8; a name in Kubernetes has 253 at most, a path of cgroups may have more. */
const MAX_BYTES = 4096
const SEPARATOR = '\0'

const bytes = Buffer.alloc(MAX_BYTES)
const words = new Uint32Array(bytes.buffer, bytes.byteOffset, MAX_BYTES / 4)

export class RecordText {
  readonly #record: LedgerRecord
  readonly #text: string
  readonly #length: number

  constructor(record: LedgerRecord) {
    this.#record = record
    this.#text = record.labels.join(SEPARATOR)
    this.#length = Buffer.byteLength(this.#text)
  }

  /** Would the same labels come back? */
  get fits(): boolean {
    const { labels } = this.#record
    return this.#length <= MAX_BYTES && this.#text.isWellFormed() && !labels.some((label) => label.includes(SEPARATOR))
  }

  /** How many slots it takes. */
  get slots(): number {
    return Math.max(1, Math.ceil(this.#length / (TEXT_WORDS * 4)))
  }

  /** Into free slots, as many as it takes. Returns the record's hash. */
  write(into: LedgerSlots, slots: readonly Slot[]): number {
    const count = Math.ceil(this.#length / 4)
    words[Math.max(0, count - 1)] = 0
    bytes.write(this.#text)
    const { kind, id, startMs } = this.#record
    const head = { kind, id, startMs, length: this.#length }
    slots.forEach((slot, index) => {
      const at = index * TEXT_WORDS
      into.writeText(slot, Math.min(TEXT_WORDS, count - at), words, at)
      into.writeNext(slot, slots[index + 1] ?? 0)
    })
    into.writeHead(slots[0] as Slot, head)
    return hashOf(head, count)
  }
}

export interface FoundRecord extends LedgerRecord {
  /** Of this kind and these labels alone. */
  readonly key: string
  /** Slots after the first. */
  readonly chain: readonly Slot[]
  readonly hash: number
}

/** What stands in a slot, whether or not it makes sense: `hash` decides. Undefined where it cannot be a record. */
export function readRecord(from: LedgerSlots, slot: Slot): FoundRecord | undefined {
  const head = from.head(slot)
  if (head.length > MAX_BYTES) return undefined
  const count = Math.ceil(head.length / 4)
  const chain: Slot[] = []
  let here = slot
  for (let at = 0; ; at += TEXT_WORDS) {
    from.readText(here, Math.min(TEXT_WORDS, count - at), words, at)
    if (at + TEXT_WORDS >= count) break
    here = from.next(here)
    if (here === 0 || here >= from.count) return undefined
    chain.push(here)
  }
  const text = bytes.toString('utf8', 0, head.length)
  const { kind, id, startMs } = head
  return { kind, id, startMs, labels: text.split(SEPARATOR), key: `${kind}${SEPARATOR}${text}`, chain, hash: hashOf(head, count) }
}

function hashOf({ kind, id, startMs, length }: RecordHead, count: number): number {
  const head = mixNumber(mixNumber(mix(kind, length), id), startMs)
  return finish(mixWords(head, words, 0, count))
}
