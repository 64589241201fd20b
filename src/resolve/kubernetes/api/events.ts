// One line of a watch -> what has happened. Knows the form of events; nothing of the objects in them.

export type WatchEvent =
  | { readonly kind: 'put' | 'remove'; readonly object: unknown; readonly version: string }
  | { readonly kind: 'bookmark'; readonly version: string }
  | { readonly kind: 'error'; readonly status: number; readonly reason: string; readonly message: string }
  | { readonly kind: 'odd' }

const KINDS: ReadonlyMap<unknown, 'put' | 'remove' | 'bookmark'> = new Map([
  ['ADDED', 'put'],
  ['MODIFIED', 'put'],
  ['DELETED', 'remove'],
  ['BOOKMARK', 'bookmark'],
])

interface Status {
  readonly code?: unknown
  readonly reason?: unknown
  readonly message?: unknown
}

/** `odd`: no JSON, or no event that is known. Without a version it is empty. */
export function readEvent(line: string): WatchEvent {
  const event = parsed(line)
  if (!isRecord(event)) return { kind: 'odd' }
  const { type, object } = event
  if (type === 'ERROR') {
    const { code, reason, message }: Status = isRecord(object) ? object : {}
    return { kind: 'error', status: Number(code ?? 0), reason: String(reason ?? ''), message: String(message ?? '') }
  }
  const kind = KINDS.get(type)
  return kind === undefined ? { kind: 'odd' } : { kind, object, version: versionOf(object) }
}

export function versionOf(object: unknown): string {
  const metadata = isRecord(object) ? object.metadata : undefined
  const version = isRecord(metadata) ? metadata.resourceVersion : undefined
  return typeof version === 'string' ? version : ''
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
}

/** Undefined for what is no JSON. */
export function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
