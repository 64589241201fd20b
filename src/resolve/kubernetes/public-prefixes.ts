// Public addresses that the cluster has for itself: the kernel must keep them whole, where it folds other public ones to `external`.
// Knows addresses; nothing of who has them.
import { isMapped, mask, type Prefix } from '../../address.ts'
import type { Address } from '../../model.ts'

/** A quarter of the kernel's trie; some 300 B each in both places. */
const MAX_PREFIXES = 16_384
/** Pods are many: what stands beside them in so wide a network is kept whole as well, at no harm. */
const POD_NETWORK_BITS = { v4: 96 + 24, v6: 64 }

/** The networks that the kernel keeps whole anyway, as bytes: private, carrier-grade, link-local, and loopback, which is no peer's. */
export function isPublic(address: Address): boolean {
  const byte = (index: number): number => address.charCodeAt(index)
  if (isMapped(address)) {
    const [first, second] = [byte(12), byte(13)]
    if (first === 10 || first === 127 || first === 0) return false
    if (first === 172) return second < 16 || second > 31
    if (first === 192) return second !== 168
    if (first === 100) return second < 64 || second > 127
    return first !== 169 || second !== 254
  }
  if (byte(0) === 0) return false
  return (byte(0) & 0xfe) !== 0xfc && !(byte(0) === 0xfe && (byte(1) & 0xc0) === 0x80)
}

export class PublicPrefixes {
  /** How many ask for it. Bounded by the objects that live. */
  readonly #wanted = new Map<string, { readonly prefix: Prefix; count: number }>()
  readonly #maxPrefixes: number

  constructor(maxPrefixes = MAX_PREFIXES) {
    this.#maxPrefixes = maxPrefixes
  }

  /** Those that are beyond the bound; peers there read as `external`. */
  get overlooked(): number {
    return Math.max(0, this.#wanted.size - this.#maxPrefixes)
  }

  /** Of one thing with an address of its own. */
  addAddress(address: Address): void {
    this.addRange({ address, bits: 128 })
  }

  removeAddress(address: Address): void {
    this.removeRange({ address, bits: 128 })
  }

  /** Of one pod among many. */
  addPod(address: Address): void {
    if (isPublic(address)) this.addRange(podNetwork(address))
  }

  removePod(address: Address): void {
    if (isPublic(address)) this.removeRange(podNetwork(address))
  }

  addRange(prefix: Prefix): void {
    if (!isPublic(prefix.address)) return
    const wanted = this.#wanted.get(keyOf(prefix))
    if (wanted === undefined) this.#wanted.set(keyOf(prefix), { prefix, count: 1 })
    else wanted.count++
  }

  removeRange(prefix: Prefix): void {
    const wanted = this.#wanted.get(keyOf(prefix))
    if (wanted !== undefined && --wanted.count === 0) this.#wanted.delete(keyOf(prefix))
  }

  /** Nobody asks for any. */
  clear(): void {
    this.#wanted.clear()
  }

  list(): readonly Prefix[] {
    return this.#wanted
      .values()
      .take(this.#maxPrefixes)
      .map(({ prefix }) => prefix)
      .toArray()
  }
}

function keyOf({ address, bits }: Prefix): string {
  return `${bits} ${address}`
}

function podNetwork(address: Address): Prefix {
  const bits = isMapped(address) ? POD_NETWORK_BITS.v4 : POD_NETWORK_BITS.v6
  return { address: mask(address, bits), bits }
}
