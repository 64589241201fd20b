// How a name or a value that somebody typed is shown in an error: always one line, never long, no control characters.
import { inspect } from 'node:util'

/** Characters shown of a value. */
const SHOWN = 120
/** Characters shown of a path: all that the kernel takes (PATH_MAX), for a path that is cut leads nowhere. */
const PATH_SHOWN = 4096
// Delete, C1 controls, line and paragraph separators, and what turns the direction of writing.
const UNSAFE = /[\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g

/** What stands before a host: a user and a password. */
const CREDENTIALS = /(:\/\/)[^/?#\s]*@/g

const escaped = (text: string): string => text.replace(UNSAFE, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`)

const inQuotes = (text: string, most: number): string => escaped(JSON.stringify(text.length > most ? `${text.slice(0, most)}…` : text))

/** A file's path in quotes, whole. */
export function quotedPath(path: string): string {
  return inQuotes(path, PATH_SHOWN)
}

/** A value in quotes if it is text, as JavaScript writes it otherwise. */
export function quoted(value: unknown): string {
  if (typeof value === 'string') {
    return inQuotes(value.replaceAll(CREDENTIALS, '$1***@'), SHOWN)
  }
  const whole = inspect(value, {
    breakLength: Number.POSITIVE_INFINITY,
    compact: true,
    depth: 2,
    maxArrayLength: 8,
    maxStringLength: SHOWN,
  })
  return escaped(whole.length > SHOWN ? `${whole.slice(0, SHOWN)}…` : whole).replaceAll(/\s+/g, ' ')
}

/** A key as it was written where it is plain, in quotes where it is not. */
export function named(key: string): string {
  return /^[\w./:@+-]{1,120}$/.test(key) ? key : quoted(key)
}
