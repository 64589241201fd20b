// Longest-prefix match over addresses. Knows prefixes; nothing of what the values mean.
import { isMapped, mask, type Prefix } from '../address.ts'
import type { Address } from '../model.ts'

/** A network that the settings name (ORB8_CIDRS). */
export interface NamedNetwork {
  readonly name: string
  readonly prefix: Prefix
}

export interface PrefixMatch<V> {
  /** The value of the longest prefix around the address; undefined where there is none. */
  match(address: Address): V | undefined
}

/** IPv4 lives in ::ffff:0:0/96: a shorter prefix is an IPv6 network and does not hold IPv4 addresses. */
const MAPPED_BITS = 96
const LAST = '\xff'.repeat(16) as Address

/**
 * Nested prefixes are cut into ranges that do not overlap, so a match is one binary search without an allocation: addresses are
 * bytes, and strings of bytes compare as the numbers do. Of two equal prefixes the later counts, as in a kernel LPM trie.
 */
export function createPrefixMatch<V>(entries: Iterable<readonly [Prefix, V]>): PrefixMatch<V> {
  const { starts, holders } = cut(entries)
  return {
    match(address) {
      let low = 0
      let high = starts.length
      while (low < high) {
        const middle = (low + high) >>> 1
        if ((starts[middle] as Address) <= address) low = middle + 1
        else high = middle
      }
      const holder = holders[low - 1]
      if (holder === undefined || (holder.bits < MAPPED_BITS && isMapped(address))) return undefined
      return holder.value
    },
  }
}

interface Holder<V> {
  readonly start: Address
  readonly end: Address
  readonly bits: number
  readonly value: V
}

/** `holders[i]` is the innermost prefix from `starts[i]` up to the next start. */
function cut<V>(entries: Iterable<readonly [Prefix, V]>): { starts: Address[]; holders: (Holder<V> | undefined)[] } {
  const unique = new Map<string, Holder<V>>()
  for (const [{ address, bits }, value] of entries) {
    const start = mask(address, bits)
    unique.set(`${bits} ${start}`, { start, end: lastOf(start, bits), bits, value })
  }
  const sorted = [...unique.values()].sort((a, b) => (a.start < b.start ? -1 : a.start > b.start ? 1 : a.bits - b.bits))
  const starts: Address[] = []
  const holders: (Holder<V> | undefined)[] = []
  const begin = (start: Address, holder: Holder<V> | undefined): void => {
    if (starts.at(-1) === start) holders[holders.length - 1] = holder
    else {
      starts.push(start)
      holders.push(holder)
    }
  }
  const around: Holder<V>[] = []
  const endBefore = (start: Address | undefined): void => {
    for (let inner = around.at(-1); inner !== undefined && (start === undefined || inner.end < start); inner = around.at(-1)) {
      around.pop()
      if (inner.end !== LAST) begin(successor(inner.end), around.at(-1))
    }
  }
  for (const holder of sorted) {
    endBefore(holder.start)
    around.push(holder)
    begin(holder.start, holder)
  }
  endBefore(undefined)
  return { starts, holders }
}

function lastOf(start: Address, bits: number): Address {
  let last = ''
  for (let index = 0; index < 16; index++) {
    const kept = Math.min(8, Math.max(0, bits - 8 * index))
    last += String.fromCharCode(start.charCodeAt(index) | (0xff >> kept))
  }
  return last as Address
}

function successor(address: Address): Address {
  let index = 15
  while (address.charCodeAt(index) === 255) index--
  return (address.slice(0, index) + String.fromCharCode(address.charCodeAt(index) + 1)).padEnd(16, '\0') as Address
}
