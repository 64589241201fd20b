// Lists of `key=value,key=value` as OpenTelemetry writes headers and resource attributes, values URL-encoded. Says what is wrong
// without repeating a value: it may be a secret.

export type KeyValue = readonly [key: string, value: string]

/** More than a request's metadata or a resource is ever given. */
const MOST = 128

/** The pairs, a later one winning over an earlier one of the same key, or in words what is wrong. */
function parsePairs(text: string): readonly KeyValue[] | string {
  const pairs = new Map<string, string>()
  for (const [index, part] of text.split(',').entries()) {
    const pair = part.trim()
    if (pair === '') continue
    const equals = pair.indexOf('=')
    if (equals < 1) return `has no key=value at place ${index + 1}`
    try {
      pairs.set(pair.slice(0, equals).trim(), decodeURIComponent(pair.slice(equals + 1).trim()))
    } catch {
      return `has a value that is not URL-encoded at place ${index + 1}`
    }
  }
  return pairs.size > MOST ? `has more than ${MOST} pairs` : [...pairs]
}

const frozen = (pairs: readonly KeyValue[]): readonly KeyValue[] => Object.freeze(pairs.map((pair) => Object.freeze(pair)))

/** What gRPC takes as metadata: keys in lower case, values of printable ASCII, or base64 where the key ends in -bin. */
export function parseHeaders(input: string | Readonly<Record<string, string>>): readonly KeyValue[] | string {
  const pairs = typeof input === 'string' ? parsePairs(input) : Object.entries(input)
  if (typeof pairs === 'string') return pairs
  const headers = pairs.map(([key, value]): KeyValue => [key.toLowerCase(), value])
  for (const [index, [key, value]] of headers.entries()) {
    if (!/^[0-9a-z_.-]{1,256}$/.test(key) || key.startsWith('grpc-')) return `has a key that is no header's name at place ${index + 1}`
    const allowed = key.endsWith('-bin') ? /^[A-Za-z0-9+/]*={0,2}$/ : /^[\x20-\x7e]*$/
    if (!allowed.test(value)) return `has a value that no header can hold at place ${index + 1}`
  }
  return frozen(headers)
}

export function parseAttributes(input: string | Readonly<Record<string, string>>): readonly KeyValue[] | string {
  const pairs = typeof input === 'string' ? parsePairs(input) : Object.entries(input)
  return typeof pairs === 'string' ? pairs : frozen(pairs)
}
