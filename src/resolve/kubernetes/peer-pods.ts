// All pods of the cluster by address: whose they are and where they run, in as few bytes as it takes. Knows no zones and no flows.
import { Buffer } from 'node:buffer'
import type { Address } from '../../model.ts'
import { AddressBook, type AddressBookOptions, type Holder } from './address-book.ts'
import { Interned, type Shared } from './interned.ts'
import { Inventory, type Listed } from './inventory.ts'
import type { ObjectSink } from './object-sink.ts'
import type { PeerPod } from './peer-pod.ts'
import type { PublicPrefixes } from './public-prefixes.ts'

/** Whose a pod is, and where it runs. */
export interface PodHolder {
  readonly workload: { readonly namespace: string; readonly name: string }
  /** The node's name, empty where there is none. */
  readonly node: { readonly key: string }
}

interface SharedWorkload extends Shared {
  readonly namespace: string
  readonly name: string
}

/** 100,000 of them: each property is a megabyte. */
interface PeerRecord extends Listed, Holder, PodHolder {
  workload: SharedWorkload
  node: Shared
  addresses: Address | readonly Address[]
  startedS: number
}

/** In no name. */
const SEPARATOR = '\0'
const UID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

export class PeerPods implements ObjectSink<PeerPod> {
  readonly #inventory = new Inventory<PeerRecord>()
  readonly #workloads = new Interned<SharedWorkload>((key) => {
    const [namespace = '', name = ''] = key.split(SEPARATOR)
    return { key, namespace, name, holders: 0 }
  })
  readonly #nodes = new Interned<Shared>((key) => ({ key, holders: 0 }))
  readonly #book: AddressBook<PeerRecord>
  readonly #prefixes: PublicPrefixes

  /** `prefixes`: theirs alone. */
  constructor(options: AddressBookOptions, prefixes: PublicPrefixes) {
    this.#book = new AddressBook(options)
    this.#prefixes = prefixes
  }

  /** Those with addresses; others are nobody's peers. */
  get size(): number {
    return this.#inventory.size
  }

  get synced(): boolean {
    return this.#inventory.synced
  }

  get generation(): number {
    return this.#book.generation
  }

  /** Whose traffic it is that is drained in this collection. */
  holder(address: Address): PodHolder | undefined {
    return this.#book.holder(address)
  }

  collecting(): void {
    this.#book.collecting()
  }

  /** Nobody follows them any longer: what is known is of the past. */
  clear(): void {
    this.#prefixes.clear()
    this.#inventory.clear()
    this.#book.clear()
    this.#workloads.clear()
    this.#nodes.clear()
  }

  listing(): void {
    this.#inventory.listing()
  }

  listed(): Promise<void> | undefined {
    return this.#inventory.listed((record) => this.#drop(record))
  }

  put(pod: PeerPod): void {
    const uid = packed(pod.uid)
    const known = this.#inventory.see(uid)
    if (pod.addresses.length === 0) {
      if (known !== undefined) this.#remove(uid)
      return
    }
    const workload = this.#workloads.have(`${pod.namespace}${SEPARATOR}${pod.workload}`)
    const node = this.#nodes.have(pod.node)
    if (known !== undefined) {
      this.#update(known, pod, workload, node)
      return
    }
    const record: PeerRecord = { workload, node, addresses: only(pod.addresses), startedS: pod.startedS, seen: 0, asked: false }
    this.#inventory.add(uid, record)
    for (const address of pod.addresses) this.#claim(address, record)
  }

  remove(pod: PeerPod): void {
    this.#remove(packed(pod.uid))
  }

  #update(record: PeerRecord, pod: PeerPod, workload: SharedWorkload, node: Shared): void {
    if (record.workload !== workload || record.node !== node) this.#book.renamed()
    this.#giveBack(record)
    record.workload = workload
    record.node = node
    record.startedS = pod.startedS
    const before = all(record.addresses)
    for (const address of before) if (!pod.addresses.includes(address)) this.#release(address, record)
    for (const address of pod.addresses) if (!before.includes(address)) this.#claim(address, record)
    record.addresses = only(pod.addresses)
  }

  #remove(uid: string): void {
    const record = this.#inventory.take(uid)
    if (record !== undefined) this.#drop(record)
  }

  #drop(record: PeerRecord): void {
    for (const address of all(record.addresses)) this.#release(address, record)
    this.#giveBack(record)
  }

  #giveBack(record: PeerRecord): void {
    this.#workloads.giveBack(record.workload)
    this.#nodes.giveBack(record.node)
  }

  #claim(address: Address, record: PeerRecord): void {
    this.#book.claim(address, record)
    this.#prefixes.addPod(address)
  }

  #release(address: Address, record: PeerRecord): void {
    this.#book.release(address, record)
    this.#prefixes.removePod(address)
  }
}

/** 16 characters in place of 36. */
function packed(uid: string): string {
  return UID.test(uid) ? Buffer.from(uid.replaceAll('-', ''), 'hex').toString('latin1') : uid
}

/** A list that was pushed to has room for sixteen more. */
function only(addresses: readonly Address[]): Address | readonly Address[] {
  return addresses.length === 1 ? (addresses[0] as Address) : addresses.slice()
}

function all(addresses: Address | readonly Address[]): readonly Address[] {
  return typeof addresses === 'string' ? [addresses] : addresses
}
