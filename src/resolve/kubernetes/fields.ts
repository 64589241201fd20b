// Reads fields of JSON that may be anything. Knows what a name, a time and an address look like; nothing of what they are for.
import { parseAddress } from '../../address.ts'
import type { Address } from '../../model.ts'

export type Fields = Readonly<Record<string, unknown>>

const NONE: Fields = Object.freeze({})

/** Printable ASCII without blanks: what Kubernetes allows in names, kinds and label values, and never a separator of the store's. */
const NAME = /^[!-~]{1,253}$/

export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Empty where it is no object. */
export function fields(value: unknown): Fields {
  return isFields(value) ? value : NONE
}

/** Empty where it is no list. */
export function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

export function nameIn(value: unknown): string | undefined {
  return typeof value === 'string' && NAME.test(value) ? value : undefined
}

/** A number of a TCP, UDP or SCTP port; 0 for anything else. */
export function portIn(value: unknown): number {
  return typeof value === 'number' && Number.isInteger(value) && value > 0 && value < 65_536 ? value : 0
}

/** Seconds since the epoch of an RFC 3339 time; 0 where there is none. */
export function secondsIn(value: unknown): number {
  const ms = typeof value === 'string' ? Date.parse(value) : Number.NaN
  return Number.isNaN(ms) ? 0 : Math.floor(ms / 1000)
}

/** All that are addresses, each once, in their order. */
export function addressesIn(values: readonly unknown[]): readonly Address[] {
  const found: Address[] = []
  for (const value of values) {
    const address = typeof value === 'string' ? parseAddress(value) : undefined
    if (address !== undefined && !found.includes(address)) found.push(address)
  }
  return found
}
