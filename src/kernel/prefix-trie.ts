// The trie of prefixes whose addresses are told apart. Knows keys and rules; nothing of where they come from.
import type { Prefix } from '../address.ts'
import { PEER, PREFIX, PREFIX_RULE } from './layouts.ts'
import type { Fd } from './libbpf.ts'
import { deleteEntry, getEntry, keysOf, putEntry } from './maps.ts'

/** A public prefix and what becomes of the addresses in it: kept whole, or folded to the named network's index. */
export interface PrefixRule {
  readonly prefix: Prefix
  readonly network?: number
}

export class PrefixTrie {
  readonly #map: Fd
  readonly #rules = new Map<string, string>()

  /** Learns what an earlier process left in the map. */
  constructor(map: Fd) {
    this.#map = map
    for (const key of keysOf(map, PREFIX.size)) this.#rules.set(text(key), text(getEntry(map, key, PREFIX_RULE.size)))
  }

  get size(): number {
    return this.#rules.size
  }

  /** Makes the trie hold exactly these rules. Cheap where nothing changed. Throws KernelError. */
  set(rules: readonly PrefixRule[]): void {
    const wanted = new Map(rules.map((rule) => [keyOf(rule.prefix), ruleOf(rule)]))
    for (const key of [...this.#rules.keys()].filter((key) => !wanted.has(key))) {
      deleteEntry(this.#map, bytes(key))
      this.#rules.delete(key)
    }
    for (const [key, value] of wanted) {
      if (this.#rules.get(key) === value) continue
      putEntry(this.#map, bytes(key), bytes(value))
      this.#rules.set(key, value)
    }
  }
}

const text = (buffer: Buffer): string => buffer.toString('latin1')
const bytes = (key: string): Buffer => Buffer.from(key, 'latin1')

function keyOf(prefix: Prefix): string {
  const key = Buffer.alloc(PREFIX.size)
  key.writeUInt32LE(prefix.bits, PREFIX.bits)
  key.write(prefix.address, PREFIX.address, 'latin1')
  return text(key)
}

function ruleOf(rule: PrefixRule): string {
  const value = Buffer.alloc(PREFIX_RULE.size)
  value.writeUInt32LE(rule.network === undefined ? PEER.peerAddress : PEER.peerNetwork, PREFIX_RULE.peer)
  value.writeUInt32LE(rule.network ?? 0, PREFIX_RULE.network)
  return text(value)
}
