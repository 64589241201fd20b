// IP addresses as the kernel keys hold them: 16 bytes, IPv4 mapped. Text, numbers, prefixes; nothing of who has them.
import { isIPv4, isIPv6 } from 'node:net'
import type { Address } from './model.ts'

const MAPPED = '\0\0\0\0\0\0\0\0\0\0\xff\xff'

export const UNSPECIFIED = '\0'.repeat(16) as Address

/** Reads an IPv4 or IPv6 address (a zone after % is dropped); undefined where it is neither. */
export function parseAddress(text: string): Address | undefined {
  const bare = text.split('%', 1)[0] ?? ''
  if (isIPv4(bare)) return (MAPPED + String.fromCharCode(...bare.split('.').map(Number))) as Address
  if (!isIPv6(bare)) return undefined
  const dotted = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(bare)
  const words = dotted
    ? `${dotted[1]}${((Number(dotted[2]) << 8) | Number(dotted[3])).toString(16)}:${((Number(dotted[4]) << 8) | Number(dotted[5])).toString(16)}`
    : bare
  const [head = '', tail] = words.split('::', 2)
  const left = head === '' ? [] : head.split(':')
  const right = tail === undefined || tail === '' ? [] : tail.split(':')
  const all = [...left, ...Array<string>(8 - left.length - right.length).fill('0'), ...right]
  return all.map((word) => String.fromCharCode(Number.parseInt(word, 16) >> 8, Number.parseInt(word, 16) & 255)).join('') as Address
}

export function isMapped(address: Address): boolean {
  return address.startsWith(MAPPED)
}

/** Dotted quad for mapped IPv4, else RFC 5952 with the longest run of zeroes left out. */
export function formatAddress(address: Address): string {
  const byte = (index: number): number => address.charCodeAt(index)
  if (isMapped(address)) return `${byte(12)}.${byte(13)}.${byte(14)}.${byte(15)}`
  const words = Array.from({ length: 8 }, (_, index) => ((byte(2 * index) << 8) | byte(2 * index + 1)).toString(16))
  let best = { start: 0, length: 0 }
  for (let start = 0; start < 8; start++) {
    let length = 0
    while (start + length < 8 && words[start + length] === '0') length++
    if (length > best.length) best = { start, length }
  }
  if (best.length < 2) return words.join(':')
  return `${words.slice(0, best.start).join(':')}::${words.slice(best.start + best.length).join(':')}`
}

/** A network: an address and how many of its 128 bits count (IPv4 prefixes are 96 longer than written). */
export interface Prefix {
  readonly address: Address
  readonly bits: number
}

/** Reads `address/length`, or an address alone as a full-length prefix. Undefined for anything else. */
export function parsePrefix(text: string): Prefix | undefined {
  const [host = '', length, rest] = text.split('/')
  const address = parseAddress(host)
  if (address === undefined || rest !== undefined) return undefined
  const offset = isIPv4(host) ? 96 : 0
  if (length === undefined) return { address, bits: 128 }
  if (!/^\d{1,3}$/.test(length)) return undefined
  const bits = Number(length) + offset
  return bits <= 128 ? { address: mask(address, bits), bits } : undefined
}

/** The address with all but its first `bits` bits cleared. */
export function mask(address: Address, bits: number): Address {
  const whole = bits >> 3
  const partial = whole < 16 ? String.fromCharCode(address.charCodeAt(whole) & (0xff00 >> (bits & 7)) & 255) : ''
  return (address.slice(0, whole) + partial).padEnd(16, '\0') as Address
}
