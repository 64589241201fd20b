// The table of values for the chart's README, from the comments in values.yaml. Knows YAML; nothing of what values do.
import { isMap, isScalar, type Node, type Pair, parseDocument, type YAMLMap } from 'yaml'

export interface Value {
  /** With dots between. */
  readonly key: string
  /** As JSON. */
  readonly fallback: string
  readonly meaning: string
}

/** A map with keys is a group, whatever else is a value. Throws where a value has no comment. */
export function valuesOf(text: string): readonly Value[] {
  const document = parseDocument(text)
  const [error] = document.errors
  if (error !== undefined) throw error
  if (!isMap(document.contents)) throw new Error('values.yaml is no map')
  return valuesIn(document.contents, [])
}

/** Maps that are one value, although they have keys. */
const WHOLE: ReadonlySet<string> = new Set([
  'nodeSelector',
  'dashboards.labels',
  'gpu.dcgm.sidecar.securityContext',
  'probes.startup',
  'probes.liveness',
  'probes.readiness',
])

function valuesIn(map: YAMLMap, path: readonly string[]): readonly Value[] {
  return (map.items as Pair<Node, Node | null>[]).flatMap(({ key, value }, index) => {
    const name = isScalar(key) ? String(key.value) : ''
    // The parser gives the comment above a map's first key to the map.
    const comment = key.commentBefore ?? (index === 0 ? map.commentBefore : undefined)
    const keys = [...path, name]
    if (isMap(value) && value.items.length > 0 && !WHOLE.has(keys.join('.'))) return valuesIn(value, keys)
    const meaning = lastParagraph(comment ?? '')
    if (meaning === '') throw new Error(`values.yaml: ${keys.join('.')} has no comment`)
    return [{ key: keys.join('.'), fallback: JSON.stringify(value?.toJSON() ?? null), meaning }]
  })
}

/** What stands before an empty line is of the file or the group. */
function lastParagraph(comment: string): string {
  const lines = comment.split('\n').map((line) => line.trim())
  return lines
    .slice(lines.lastIndexOf('') + 1)
    .join(' ')
    .trim()
}

const cell = (text: string): string => text.replaceAll('|', '\\|')

export function valuesTable(text: string): string {
  const rows = valuesOf(text).map(({ key, fallback, meaning }) => `| \`${key}\` | \`${cell(fallback)}\` | ${cell(meaning)} |`)
  return ['| value | default | meaning |', '| --- | --- | --- |', ...rows].join('\n')
}
