// Reads a YAML file of settings: keys with their lines and native values. Knows YAML, not which keys there are.
import { closeSync, openSync, readSync } from 'node:fs'
import { ConfigError } from '../errors.ts'
import { quotedPath } from './quote.ts'

/** A settings file is a page; what is larger is another file by mistake, perhaps one without an end. */
const MOST_BYTES = 1024 * 1024

export interface FileEntry {
  readonly key: string
  readonly line: number
  readonly value: unknown
}

/** The file's text. Throws what the system says, or an Error where it is larger than 1 MiB. */
export function readBounded(path: string): string {
  const handle = openSync(path, 'r')
  try {
    const bytes = Buffer.allocUnsafe(MOST_BYTES + 1)
    let length = 0
    for (let count = -1; count !== 0 && length < bytes.length; length += count) {
      count = readSync(handle, bytes, length, bytes.length - length, null)
    }
    if (length > MOST_BYTES) throw new Error('it is larger than 1 MiB')
    return bytes.toString('utf8', 0, length)
  } finally {
    closeSync(handle)
  }
}

/** The top level's entries in order; those without a value are left out, as an empty variable is. Throws ConfigError. */
export async function readSettingsFile(path: string, readFile: (path: string) => string): Promise<readonly FileEntry[]> {
  const wrong = (reason: string): ConfigError => new ConfigError('--config', `${quotedPath(path)} ${reason}`, 'a YAML file of settings')
  let text: string
  try {
    text = readFile(path)
  } catch (error) {
    throw wrong(`cannot be read: ${reasonOf(error)}`)
  }
  // Some 12 MiB of memory that only a start with a file pays.
  const { isMap, isScalar, LineCounter, parseDocument } = await import('yaml')
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, logLevel: 'error' })
  const lineOf = (offset: number | undefined): number => lines.linePos(offset ?? 0).line
  const fault = document.errors[0]
  if (fault?.code === 'MULTIPLE_DOCS') throw wrong(`has a second document at line ${lineOf(fault.pos[0])}`)
  if (fault !== undefined) throw wrong(`is not valid YAML at line ${lineOf(fault.pos[0])}: ${reasonOf(fault)}`)
  const top = document.contents
  if (top === null || (isScalar(top) && top.value === null)) return []
  if (!isMap(top)) throw wrong(`line ${lineOf(top.range?.[0])}: it is not a map of settings`)
  return top.items.flatMap(({ key, value }) => {
    const offset = isScalar(key) ? key.range?.[0] : undefined
    let native: unknown
    try {
      native = (value as { toJS?: (of: typeof document) => unknown } | null)?.toJS?.(document) ?? null
    } catch (error) {
      throw wrong(`is not valid YAML at line ${lineOf(offset)}: ${reasonOf(error)}`)
    }
    return native === null ? [] : [{ key: isScalar(key) ? String(key.value) : String(key), line: lineOf(offset), value: native }]
  })
}

const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error)).replaceAll(/\s+/g, ' ')
