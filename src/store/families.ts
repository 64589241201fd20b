// Puts samples of few series into families, each label set once. Knows metrics and order; nothing of devices.
import type { FamilySample, Metric, Owner, SampleFamily } from '../model.ts'

/** The labels of `Owner` in the order in which every metric begins with them. */
export function ownerLabels({ namespace, pod, container, workload, workloadKind }: Owner): readonly string[] {
  return [namespace, pod, container, workload, workloadKind]
}

export class Families {
  readonly #samples = new Map<Metric, Map<string, FamilySample>>()
  readonly #startMs: number

  /** `startMs`: since when their counters count at the earliest. */
  constructor(startMs: number) {
    this.#startMs = startMs
  }

  /** `labels` in the metric's order. Said twice, the later value stands: two equal series make a scrape invalid. */
  add(metric: Metric, labels: readonly string[], value: number | undefined): void {
    if (value === undefined) return
    let samples = this.#samples.get(metric)
    if (samples === undefined) {
      samples = new Map()
      this.#samples.set(metric, samples)
    }
    samples.set(JSON.stringify(labels), { labels, value, startMs: this.#startMs })
  }

  /** In the order of `metrics`, without those that have no sample. */
  inOrder(metrics: readonly Metric[]): SampleFamily[] {
    return metrics.flatMap((metric) => {
      const samples = this.#samples.get(metric)
      return samples === undefined ? [] : [{ metric, samples: [...samples.values()] }]
    })
  }
}
