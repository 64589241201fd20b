// Reads YAML as maps whose keys know their lines. Repeats nothing of what stands there: it may be a secret.
import type { Document, Node } from 'yaml'

export interface Entry {
  readonly key: string
  readonly line: number
  readonly value: unknown
  /** Where the value is a map. */
  readonly entries: readonly Entry[] | undefined
}

/** `message` goes on from the file's name. */
export class YamlFault extends Error {}

/** The top level's entries in order, none for an empty text. Throws YamlFault. */
export type ReadYaml = (text: string) => readonly Entry[]

export async function yamlReader(): Promise<ReadYaml> {
  // Some 12 MiB of memory that only a start with a file pays.
  const { isAlias, isMap, isScalar, LineCounter, parseDocument } = await import('yaml')
  return (text) => {
    const lines = new LineCounter()
    const document: Document.Parsed = parseDocument(text, { lineCounter: lines, prettyErrors: false, logLevel: 'error' })
    const lineOf = (offset: number | undefined): number => lines.linePos(offset ?? 0).line
    const fault = document.errors[0]
    if (fault !== undefined) throw new YamlFault(`is not valid YAML at line ${lineOf(fault.pos[0])} (${fault.code})`)
    const entriesOf = (node: unknown, depth: number): readonly Entry[] | undefined => {
      const real = isAlias(node) ? node.resolve(document) : node
      // No map of this format stands deeper; one that holds itself ends here too.
      if (!isMap(real) || depth > 3) return undefined
      return real.items.map(({ key, value }) => {
        const line = lineOf(isScalar(key) ? key.range?.[0] : undefined)
        const written = isScalar(key) ? (key.source ?? String(key.value)) : ''
        return { key: written, line, value: nativeOf(value, line), entries: entriesOf(value, depth + 1) }
      })
    }
    const nativeOf = (value: unknown, line: number): unknown => {
      try {
        return (value as Node | null)?.toJS(document) ?? null
      } catch {
        throw new YamlFault(`is not valid YAML at line ${line}`)
      }
    }
    const top = document.contents
    if (top === null || (isScalar(top) && top.value === null)) return []
    const entries = entriesOf(top, 0)
    if (entries === undefined) throw new YamlFault(`is not a map at line ${lineOf(top.range?.[0])}`)
    return entries
  }
}
