// Services by what is dialled: cluster addresses, addresses and ports of load balancers, ports of nodes. Knows no pods and no flows.
import type { Address } from '../../model.ts'
import { Claims } from './claims.ts'
import { Inventory, type Listed } from './inventory.ts'
import type { ObjectSink } from './object-sink.ts'
import type { PublicPrefixes } from './public-prefixes.ts'
import type { Service } from './service.ts'

interface ServiceRecord extends Listed {
  service: Service
}

export class Services implements ObjectSink<Service> {
  readonly #inventory = new Inventory<ServiceRecord>()
  readonly #cluster = new Claims<Address, ServiceRecord>()
  readonly #outer = new Claims<Address, ServiceRecord>()
  readonly #outerPorts = new Claims<string, ServiceRecord>()
  readonly #nodePorts = new Claims<string, ServiceRecord>()
  readonly #prefixes: PublicPrefixes
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

  /** The Service that has this address for itself. */
  atClusterAddress(address: Address): Service | undefined {
    return this.#cluster.last(address)?.service
  }

  /** The Service behind this port of a load balancer's or other outer address. */
  atOuterPort(address: Address, protocol: number, port: number): Service | undefined {
    return this.#outer.has(address) ? this.#outerPorts.last(portKey(protocol, port, address))?.service : undefined
  }

  /** The Service that has this outer address without others. Not to be asked for a node's. */
  atOuterAddress(address: Address): Service | undefined {
    return this.#outer.only(address)?.service
  }

  /** The Service behind this port of every node. */
  atNodePort(protocol: number, port: number): Service | undefined {
    return this.#nodePorts.last(portKey(protocol, port))?.service
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

  put(service: Service): void {
    const known = this.#inventory.see(service.uid)
    const record = known ?? { service, seen: 0 }
    if (known === undefined) this.#inventory.add(service.uid, record)
    else this.#claim('remove', record)
    record.service = service
    this.#claim('add', record)
    this.#changes++
  }

  remove(service: Service): void {
    const record = this.#inventory.take(service.uid)
    if (record === undefined) return
    this.#claim('remove', record)
    this.#changes++
  }

  #claim(deed: 'add' | 'remove', record: ServiceRecord): void {
    const { clusterAddresses, outerAddresses, ports } = record.service
    for (const address of clusterAddresses) this.#cluster[deed](address, record)
    for (const address of outerAddresses) {
      this.#outer[deed](address, record)
      for (const { protocol, port } of ports) this.#outerPorts[deed](portKey(protocol, port, address), record)
    }
    for (const { protocol, nodePort } of ports) if (nodePort !== 0) this.#nodePorts[deed](portKey(protocol, nodePort), record)
    for (const address of [...clusterAddresses, ...outerAddresses]) this.#prefixes[`${deed}Address`](address)
  }
}

function portKey(protocol: number, port: number, address = ''): string {
  return `${protocol} ${port} ${address}`
}
