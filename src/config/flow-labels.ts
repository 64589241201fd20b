// Which labels flow and connection metrics carry: `all`, or a list of their names.
import { FLOW_LABELS, type FlowLabelName } from '../metrics.ts'
import { didYouMean } from './nearest.ts'
import { quoted } from './quote.ts'

/** In the order in which they are published. */
export const FLOW_LABEL_NAMES: readonly FlowLabelName[] = Object.freeze([...FLOW_LABELS, 'direction' as const])

/** Pods come and go: their names would make a new series for each. */
export const DEFAULT_FLOW_LABELS: readonly FlowLabelName[] = FLOW_LABEL_NAMES.filter((name) => name !== 'pod' && name !== 'container')

/** The chosen labels, each once and in order, or in words what is wrong with the list. */
export function parseFlowLabels(names: readonly string[]): readonly FlowLabelName[] | string {
  if (names.length === 1 && names[0] === 'all') return FLOW_LABEL_NAMES
  const known: readonly string[] = FLOW_LABEL_NAMES
  for (const name of names) {
    if (!known.includes(name)) return `names ${quoted(name)}, which is no label of its own${hint(name)}`
  }
  return names.length === 0 ? 'names no label' : Object.freeze(FLOW_LABEL_NAMES.filter((name) => names.includes(name)))
}

function hint(name: string): string {
  const guess = didYouMean(name, FLOW_LABEL_NAMES).trim()
  return guess === '' ? '' : `, ${guess}`
}
