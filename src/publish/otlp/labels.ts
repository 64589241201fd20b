// The attributes of a point, and how long they are once encoded. Knows protobuf's sizes; nothing of what is counted.
import type { Attributes, AttributeValue } from '@opentelemetry/api'

export interface Labels {
  readonly attributes: Attributes
  /** Of all attributes encoded, at most. */
  readonly bytes: number
}

/** Tags and lengths around key and value: four tags of a byte, lengths of up to three. */
const FRAME_BYTES = 16
const INTEGER_BYTES = 10

export function labelsOf(pairs: Iterable<readonly [name: string, value: AttributeValue]>): Labels {
  const attributes: Record<string, AttributeValue> = {}
  let bytes = 0
  for (const [name, value] of pairs) {
    attributes[name] = value
    bytes += FRAME_BYTES + Buffer.byteLength(name) + (typeof value === 'string' ? Buffer.byteLength(value) : INTEGER_BYTES)
  }
  return { attributes, bytes }
}

/** With one more attribute. */
export function withLabel(labels: Labels, pair: readonly [name: string, value: AttributeValue] | undefined): Labels {
  if (pair === undefined) return labels
  const more = labelsOf([pair])
  return { attributes: { ...labels.attributes, ...more.attributes }, bytes: labels.bytes + more.bytes }
}
