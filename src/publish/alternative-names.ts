// The subject alternative names of a certificate, taken apart. Knows how Node writes them; nothing of who is allowed.
import type { X509Certificate } from 'node:crypto'
import { formatAddress, parseAddress } from '../address.ts'

/** One name with its kind; what could be mistaken for the end of one stands in quotes, as in JSON. */
const NAME = /([A-Za-z ]+):("(?:[^"\\]|\\.)*"|[^",]*)(?:, |$)/y
const KINDS = ['DNS', 'email', 'IP Address', 'URI']

/** DNS names, e-mail addresses, IP addresses and URIs; none where the text is not as it should be. */
export function alternativeNames({ subjectAltName = '' }: Pick<X509Certificate, 'subjectAltName'>): readonly string[] {
  const found: string[] = []
  for (NAME.lastIndex = 0; NAME.lastIndex < subjectAltName.length; ) {
    const match = NAME.exec(subjectAltName)
    if (match === null) return []
    const [, kind = '', written = ''] = match
    const name = written.startsWith('"') ? (JSON.parse(written) as string) : written
    if (KINDS.includes(kind)) found.push(kind === 'IP Address' ? canonical(name) : name)
  }
  return found
}

/** IP addresses in their one short form, whatever else as it is. */
export function canonical(name: string): string {
  const address = parseAddress(name)
  return address === undefined ? name : formatAddress(address)
}
