// The host's own addresses, those of its interfaces in our network namespace. Knows nothing of flows.
import { networkInterfaces } from 'node:os'
import { parseAddress } from '../address.ts'
import type { Address } from '../model.ts'

/** Listing takes some microseconds an interface, and a node has one for each pod: not for every scrape of many. */
const MIN_REFRESH_MS = 1000

export interface HostAddresses {
  /** Raised whenever the set has changed. */
  readonly generation: number
  has(address: Address): boolean
  /** Reads the interfaces again, at most once a second. To be called before the flows of a collection are resolved. */
  refresh(): void
}

export interface HostAddressesWorld {
  readonly interfaces?: () => NodeJS.Dict<readonly { readonly address: string }[]>
  /** Monotonic, ms. */
  readonly nowMs?: () => number
}

export function createHostAddresses(world: HostAddressesWorld = {}): HostAddresses {
  const { interfaces = networkInterfaces, nowMs = () => performance.now() } = world
  let addresses = new Set<Address>()
  let generation = 0
  let readMs = Number.NEGATIVE_INFINITY
  const hosts: HostAddresses = {
    get generation() {
      return generation
    },
    has: (address) => addresses.has(address),
    refresh() {
      if (nowMs() - readMs < MIN_REFRESH_MS) return
      readMs = nowMs()
      const found = new Set<Address>()
      for (const list of Object.values(interfaces())) {
        for (const { address } of list ?? []) {
          const parsed = parseAddress(address)
          if (parsed !== undefined) found.add(parsed)
        }
      }
      if (found.size === addresses.size && [...found].every((address) => addresses.has(address))) return
      addresses = found
      generation++
    },
  }
  hosts.refresh()
  return hosts
}
