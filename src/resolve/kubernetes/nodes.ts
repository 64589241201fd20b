// Nodes by name and address, and the ranges that their pods may have. Knows no pods and no flows.
import type { Address } from '../../model.ts'
import { createPrefixMatch, type PrefixMatch } from '../networks.ts'
import { Claims } from './claims.ts'
import { Inventory, type Listed } from './inventory.ts'
import type { Node } from './node.ts'
import type { ObjectSink } from './object-sink.ts'
import type { PublicPrefixes } from './public-prefixes.ts'

interface NodeRecord extends Listed {
  node: Node
}

export class Nodes implements ObjectSink<Node> {
  readonly #inventory = new Inventory<NodeRecord>()
  readonly #names = new Claims<string, NodeRecord>()
  readonly #addresses = new Claims<Address, NodeRecord>()
  readonly #prefixes: PublicPrefixes
  /** Made anew when first asked for after a change of some range. */
  #ranges: PrefixMatch<NodeRecord> | undefined
  #changes = 0

  constructor(prefixes: PublicPrefixes) {
    this.#prefixes = prefixes
  }

  get size(): number {
    return this.#inventory.size
  }

  get synced(): boolean {
    return this.#inventory.synced
  }

  /** Raised whenever an answer may have changed. */
  get generation(): number {
    return this.#changes
  }

  named(name: string): Node | undefined {
    return this.#names.last(name)?.node
  }

  at(address: Address): Node | undefined {
    return this.#addresses.last(address)?.node
  }

  /** The node whose pods have such addresses, where the network keeps to the ranges. */
  withRangeAround(address: Address): Node | undefined {
    this.#ranges ??= createPrefixMatch(
      this.#inventory.values().flatMap((record) => record.node.podRanges.map((range) => [range, record] as const)),
    )
    return this.#ranges.match(address)?.node
  }

  listing(): void {
    this.#inventory.listing()
  }

  listed(): Promise<void> | undefined {
    this.#changes++
    return this.#inventory.listed((record) => {
      this.#claim('remove', record)
      this.#changes++
    })
  }

  /** A node's status comes every few minutes and most often says nothing new. */
  put(node: Node): void {
    const known = this.#inventory.see(node.uid)
    if (known !== undefined && alike(known.node, node)) return
    if (known !== undefined) this.#claim('remove', known)
    const record = known ?? { node, seen: 0 }
    if (known === undefined) this.#inventory.add(node.uid, record)
    record.node = node
    this.#claim('add', record)
    this.#changes++
  }

  remove(node: Node): void {
    const record = this.#inventory.take(node.uid)
    if (record === undefined) return
    this.#claim('remove', record)
    this.#changes++
  }

  #claim(deed: 'add' | 'remove', record: NodeRecord): void {
    const { name, addresses, podRanges } = record.node
    this.#names[deed](name, record)
    for (const address of addresses) {
      this.#addresses[deed](address, record)
      this.#prefixes[`${deed}Address`](address)
    }
    for (const range of podRanges) this.#prefixes[`${deed}Range`](range)
    this.#ranges = undefined
  }
}

function alike(one: Node, other: Node): boolean {
  return JSON.stringify(one) === JSON.stringify(other)
}
