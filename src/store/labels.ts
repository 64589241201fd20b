// Chooses labels: a flow's names in, the label values of its row out, and those of the wider row it falls back to. Holds nothing.
import { ALWAYS_WRITTEN, CONTAINER_BYTES, FLOW_LABELS, type FlowLabelName, RECEIVE_DROPS, TIME_LABELS } from '../metrics.ts'
import type { FlowLabels } from '../model.ts'

const FIELDS: Readonly<Record<string, keyof FlowLabels>> = {
  namespace: 'namespace',
  pod: 'pod',
  container: 'container',
  workload: 'workload',
  workload_kind: 'workloadKind',
  role: 'role',
  protocol: 'protocol',
  port: 'port',
  peer_kind: 'peerKind',
  peer_namespace: 'peerNamespace',
  peer_workload: 'peerWorkload',
  peer_zone: 'peerZone',
}

/** What `peer_kind="other"` writes in place of a flow's own values; labels not named here are the workload's and stay. */
const OTHER: Readonly<Record<string, string>> = {
  role: 'unknown',
  port: '0',
  peer_kind: 'other',
  peer_namespace: '',
  peer_workload: '',
  peer_zone: '',
}

const OWNER = new Set(['namespace', 'pod', 'container', 'workload', 'workload_kind'])

/** Names and paths hold no NUL, so equal keys mean equal values. */
const SEPARATOR = '\0'

export class LabelSet {
  readonly names: readonly string[]
  readonly #fields: readonly (keyof FlowLabels | undefined)[]
  readonly #other: readonly (string | undefined)[]
  readonly #notOwner: readonly number[]
  readonly #namespace: number
  readonly #pod: number
  readonly #protocol: number
  readonly #peerKind: number

  /** `names` are written in this order; those not in `chosen` stay empty. */
  constructor(names: readonly string[], chosen: ReadonlySet<string>) {
    this.names = names
    this.#fields = names.map((name) => (chosen.has(name) ? FIELDS[name] : undefined))
    this.#other = names.map((name) => OTHER[name])
    this.#notOwner = names.flatMap((name, index) => (OWNER.has(name) ? [] : [index]))
    this.#namespace = names.indexOf('namespace')
    this.#pod = names.indexOf('pod')
    this.#protocol = names.indexOf('protocol')
    this.#peerKind = names.indexOf('peer_kind')
  }

  values(labels: FlowLabels): readonly string[] {
    return this.#fields.map((field) => (field === undefined ? '' : labels[field]))
  }

  key(values: readonly string[]): string {
    return values.join(SEPARATOR)
  }

  /** The same workload's values with everything about the peer taken away: the `other` row. */
  widen(values: readonly string[]): readonly string[] {
    return values.map((value, index) => this.#other[index] ?? value)
  }

  /**
   * Does the row hold what could not be told apart, `other` or `overflow`? Also where every label that tells peers apart is
   * summed away: such a row is its own `other`, there is none wider.
   */
  catchAll(values: readonly string[]): boolean {
    if (values[this.#peerKind] === 'overflow') return true
    return values.every((value, index) => this.#other[index] === undefined || this.#other[index] === value)
  }

  /** Whose pod's row it is: empty where it is nobody's, or the label is summed away. */
  pod(values: readonly string[]): { readonly namespace: string; readonly name: string } {
    return { namespace: values[this.#namespace] ?? '', name: values[this.#pod] ?? '' }
  }

  /** All that is not the owner's. */
  farEnd(values: readonly string[]): string {
    return this.#notOwner.map((index) => values[index]).join(SEPARATOR)
  }

  /** May the row hold TCP connections? Also where the protocol is not written, or is unknown (the node's overflow). */
  tcp(values: readonly string[]): boolean {
    const protocol = values[this.#protocol] ?? ''
    return protocol === 'tcp' || protocol === ''
  }
}

/** `namespace`, `pod` and `container` are written also where they were not chosen: empty. */
export function flowLabelSet(chosen: readonly FlowLabelName[]): LabelSet {
  const set = new Set<string>(chosen)
  const always = new Set<string>(ALWAYS_WRITTEN)
  return new LabelSet(
    FLOW_LABELS.filter((name) => set.has(name) || always.has(name)),
    set,
  )
}

export function containerLabelSet(): LabelSet {
  const names = CONTAINER_BYTES.labels.filter((name) => name !== 'direction')
  return new LabelSet(names, new Set(names))
}

/** Of histograms: `pod` and `container` are written empty, whatever the labels of flows. */
export function timeLabelSet(): LabelSet {
  const summedAway = new Set(['pod', 'container'])
  return new LabelSet(TIME_LABELS, new Set(TIME_LABELS.filter((name) => !summedAway.has(name))))
}

/** The owner alone: every row is its own `other`. */
export function ownerLabelSet(): LabelSet {
  return new LabelSet(RECEIVE_DROPS.labels, OWNER)
}
