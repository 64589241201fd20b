// The pods of this node: cgroups' UIDs and container ids, and local addresses, to their names. Knows no flows, no files, no peers.
import type { Address, Owner } from '../../model.ts'
import type { Ownership } from '../owner.ts'
import { AddressBook, type AddressBookOptions, type Holder } from './address-book.ts'
import { Claims } from './claims.ts'
import { Inventory, type Listed } from './inventory.ts'
import type { ObjectSink } from './object-sink.ts'
import type { OwnPod } from './own-pod.ts'
import type { PublicPrefixes } from './public-prefixes.ts'

/** Sockets outlive their pod, as they outlive its cgroup. */
const KEEP_GONE_MS = 600_000
/** 25 short pods a second for ten minutes; 1 kB each. */
const MAX_GONE = 16_384
/** The API tells of a container's present and last id: those before are kept here. */
const MAX_IDS = 256

export interface OwnAnswer {
  /** The same object while the answer stands. */
  readonly ownership: Ownership
  /** False where the pod is known and that container of it is not: a new one, or its sandbox. */
  readonly certain: boolean
}

interface OwnRecord extends Listed, Holder {
  pod: OwnPod
  startedS: number
  readonly containers: Map<string, string>
  /** By the container's name; empty: the pod's own cgroup, its sandbox, and containers that nobody names. */
  answers: Map<string, Ownership>
  byAddress: Ownership | undefined
  goneMs: number
}

export class OwnPods implements ObjectSink<OwnPod> {
  readonly #nowMs: () => number
  readonly #inventory = new Inventory<OwnRecord>()
  /** In the order in which they went. */
  readonly #gone = new Map<string, OwnRecord>()
  readonly #byHash = new Map<string, OwnRecord>()
  /** Live pods by namespace and name: two while one replaces the other. */
  readonly #names = new Claims<string, OwnRecord>()
  /** The last that went, of those that are kept. */
  readonly #goneNames = new Map<string, OwnRecord>()
  readonly #book: AddressBook<OwnRecord>
  readonly #prefixes: PublicPrefixes
  readonly #maxGone: number
  #changes = 0

  constructor(options: AddressBookOptions & { readonly maxGone?: number }, prefixes: PublicPrefixes) {
    this.#nowMs = options.nowMs
    this.#maxGone = options.maxGone ?? MAX_GONE
    this.#book = new AddressBook(options)
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
    return this.#changes + this.#book.generation
  }

  /**
   * Whose a cgroup is: `uid` as its path has it, a static pod's hash too. No `containerId`: the pod's own directory. Undefined where
   * the API has told of no such pod.
   */
  lookup(uid: string, containerId?: string): OwnAnswer | undefined {
    const record = this.#record(uid)
    if (record === undefined) return undefined
    const container = containerId === undefined ? '' : record.containers.get(containerId)
    return { ownership: answer(record, container ?? ''), certain: container !== undefined }
  }

  /** The container's name is known from elsewhere: the rest as `lookup`. */
  named(uid: string, container: string): Ownership | undefined {
    const record = this.#record(uid)
    return record === undefined ? undefined : answer(record, container)
  }

  /** By name: the one that lives, else the last that went. An empty `container`: the pod as a whole. */
  byName(namespace: string, name: string, container: string): Ownership | undefined {
    const key = fullName(namespace, name)
    const record = this.#names.last(key) ?? this.#goneNames.get(key)
    return record === undefined ? undefined : answer(record, container)
  }

  /** Whose socket it is that has this local address, of pods with a network of their own. */
  atAddress(address: Address): Ownership | undefined {
    const record = this.#book.holder(address)
    if (record === undefined) return undefined
    record.byAddress ??= { owner: answer(record, '').owner, attribution: 'pod_ip' }
    return record.byAddress
  }

  /** Whose traffic it is that is drained in this collection, as a peer. */
  holder(address: Address): OwnPod | undefined {
    return this.#book.holder(address)?.pod
  }

  /** Is there one of that name? */
  has(namespace: string, name: string): boolean {
    return this.#names.has(fullName(namespace, name))
  }

  /** All addresses of those that live. */
  *addresses(): Generator<Address> {
    for (const { pod } of this.#inventory.values()) yield* pod.addresses
  }

  collecting(): void {
    this.#book.collecting()
    const before = this.#nowMs() - KEEP_GONE_MS
    for (const [uid, record] of this.#gone) {
      if (record.goneMs > before) break
      this.#forget(uid, record)
    }
  }

  listing(): void {
    this.#inventory.listing()
  }

  listed(): Promise<void> | undefined {
    this.#changes++
    return this.#inventory.listed((record) => {
      this.#end(record)
      this.#changes++
    })
  }

  put(pod: OwnPod): void {
    const known = this.#inventory.see(pod.uid) ?? this.#revive(pod.uid)
    const record = known ?? this.#add(pod)
    if (known !== undefined) this.#update(known, pod)
    for (const [id, name] of pod.containers) {
      record.containers.delete(id)
      record.containers.set(id, name)
    }
    for (const id of record.containers.keys()) {
      if (record.containers.size <= MAX_IDS) break
      record.containers.delete(id)
    }
    if (pod.configHash !== '') this.#byHash.set(pod.configHash, record)
    this.#changes++
  }

  remove(pod: OwnPod): void {
    const record = this.#inventory.take(pod.uid)
    if (record === undefined) return
    this.#end(record)
    this.#changes++
  }

  #record(uid: string): OwnRecord | undefined {
    return this.#inventory.get(uid) ?? this.#byHash.get(uid) ?? this.#gone.get(uid)
  }

  #add(pod: OwnPod): OwnRecord {
    const record: OwnRecord = {
      pod,
      startedS: pod.startedS,
      containers: new Map(),
      answers: new Map(),
      byAddress: undefined,
      goneMs: 0,
      seen: 0,
      asked: false,
    }
    this.#inventory.add(pod.uid, record)
    this.#names.add(fullNameOf(record), record)
    for (const address of pod.addresses) this.#claim(address, record)
    return record
  }

  #update(record: OwnRecord, pod: OwnPod): void {
    const before = record.pod
    record.pod = pod
    record.startedS = pod.startedS
    for (const address of before.addresses) if (!pod.addresses.includes(address)) this.#release(address, record)
    for (const address of pod.addresses) if (!before.addresses.includes(address)) this.#claim(address, record)
    if (before.configHash !== pod.configHash && this.#byHash.get(before.configHash) === record) this.#byHash.delete(before.configHash)
    if (before.workload === pod.workload && before.workloadKind === pod.workloadKind) return
    record.answers = new Map()
    record.byAddress = undefined
  }

  #end(record: OwnRecord): void {
    for (const address of record.pod.addresses) this.#release(address, record)
    const name = fullNameOf(record)
    this.#names.remove(name, record)
    this.#goneNames.set(name, record)
    record.goneMs = this.#nowMs()
    this.#gone.set(record.pod.uid, record)
    for (const [uid, oldest] of this.#gone) {
      if (this.#gone.size <= this.#maxGone) break
      this.#forget(uid, oldest)
    }
  }

  /** A list from a cache that lags behind may bring back what has gone. */
  #revive(uid: string): OwnRecord | undefined {
    const record = this.#gone.get(uid)
    if (record === undefined) return undefined
    this.#gone.delete(uid)
    this.#forgetName(record)
    this.#inventory.add(uid, record)
    this.#names.add(fullNameOf(record), record)
    for (const address of record.pod.addresses) this.#claim(address, record)
    return record
  }

  #forget(uid: string, record: OwnRecord): void {
    this.#gone.delete(uid)
    this.#forgetName(record)
    if (this.#byHash.get(record.pod.configHash) === record) this.#byHash.delete(record.pod.configHash)
    this.#changes++
  }

  #forgetName(record: OwnRecord): void {
    const name = fullNameOf(record)
    if (this.#goneNames.get(name) === record) this.#goneNames.delete(name)
  }

  #claim(address: Address, record: OwnRecord): void {
    this.#book.claim(address, record)
    this.#prefixes.addPod(address)
  }

  #release(address: Address, record: OwnRecord): void {
    this.#book.release(address, record)
    this.#prefixes.removePod(address)
  }
}

function answer({ pod, answers }: OwnRecord, container: string): Ownership {
  const known = answers.get(container)
  if (known !== undefined) return known
  const { namespace, name, workload, workloadKind } = pod
  const owner: Owner = { namespace, pod: name, container, workload, workloadKind }
  const made: Ownership = { owner, attribution: 'cgroup' }
  answers.set(container, made)
  return made
}

function fullNameOf({ pod: { namespace, name } }: OwnRecord): string {
  return fullName(namespace, name)
}

/** No namespace has a slash. */
function fullName(namespace: string, name: string): string {
  return `${namespace}/${name}`
}
