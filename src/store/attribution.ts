// Bytes by how their owner was found. Knows nothing of series.
import type { Attribution, FlowCounts } from '../model.ts'
import type { Counters } from './counters.ts'
import { MEASURES, type Numbers, type Slot } from './numbers.ts'

const METHODS = ['cgroup', 'pod_ip', 'host', 'none'] as const satisfies readonly Attribution[]

export class AttributedBytes {
  readonly #numbers: Numbers
  readonly #slots: Readonly<Record<Attribution, Slot>>

  constructor(counters: Counters) {
    const slot = (method: Attribution): Slot => counters.slot(`attributed ${method}`)
    this.#numbers = counters.numbers
    this.#slots = { cgroup: slot('cgroup'), pod_ip: slot('pod_ip'), host: slot('host'), none: slot('none') }
  }

  add(method: Attribution, counts: FlowCounts): void {
    this.#numbers.add(this.#slots[method], MEASURES.sentBytes, counts.sentBytes)
    this.#numbers.add(this.#slots[method], MEASURES.receivedBytes, counts.receivedBytes)
  }

  /** Sent and received, none of them ever falling. */
  publish(): Readonly<Record<Attribution, number>> {
    const bytes = { cgroup: 0, pod_ip: 0, host: 0, none: 0 }
    for (const method of METHODS) {
      const slot = this.#slots[method]
      bytes[method] = this.#numbers.publish(slot, MEASURES.sentBytes) + this.#numbers.publish(slot, MEASURES.receivedBytes)
    }
    return bytes
  }
}
