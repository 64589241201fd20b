// Which pods have series, and which of these pods have gone: their series stay for a while and then leave. Knows names and times;
// nothing of numbers, nor of who knows about pods.

/** As the contract promises. */
const KEEP_MS = 300_000
/** Of pods that have no series any more: 50 a second, for as long as they are remembered; 200 B each. */
const MAX_LEFT = 16_384

export interface Pod {
  readonly key: string
  readonly namespace: string
  readonly name: string
  rows: number
  /** Since when nobody knows it, ms; Infinity while somebody does. */
  goneMs: number
  /** Its time is over. */
  due: boolean
  /** Its series have left: one that comes back has nothing of their past. */
  left: boolean
}

/** Is there a pod of that name? Also where nobody can tell. */
export type Lives = (namespace: string, pod: string) => boolean

export class Pods {
  readonly #lives: Lives
  readonly #pods = new Map<string, Pod>()
  #someAreDue = false

  constructor(lives: Lives = () => true) {
    this.#lives = lives
  }

  /** To be given back. Undefined for what is no pod's, or where its namespace is summed away. */
  have(namespace: string, name: string): Pod | undefined {
    if (namespace === '' || name === '') return undefined
    const key = `${namespace}\0${name}`
    let pod = this.#pods.get(key)
    if (pod === undefined) {
      pod = { key, namespace, name, rows: 0, goneMs: Number.POSITIVE_INFINITY, due: false, left: false }
      this.#pods.set(key, pod)
    }
    pod.rows++
    return pod
  }

  giveBack(pod: Pod): void {
    pod.rows--
  }

  /** As of the last review: is there a series that may have to leave? */
  get someAreDue(): boolean {
    return this.#someAreDue
  }

  /** To be called before series are swept: who has gone, and whose time is over? */
  review(nowMs: number): void {
    this.#someAreDue = false
    for (const pod of this.#pods.values()) {
      if (this.#lives(pod.namespace, pod.name)) {
        pod.goneMs = Number.POSITIVE_INFINITY
        pod.due = pod.left = false
        continue
      }
      pod.goneMs = Math.min(pod.goneMs, nowMs)
      pod.due = nowMs - pod.goneMs >= KEEP_MS
      if (pod.due && pod.rows > 0) this.#someAreDue = true
    }
  }

  /** To be called after it. */
  reviewed(nowMs: number): void {
    let without = 0
    for (const pod of this.#pods.values()) {
      if (pod.due) pod.left = true
      if (pod.rows > 0) continue
      const past = !pod.left || nowMs - pod.goneMs >= 2 * KEEP_MS
      if (past || ++without > MAX_LEFT) this.#pods.delete(pod.key)
    }
  }

  /** Must a series of this pod leave that has not moved for so long? One that came after the others left stays for as long again. */
  leaves(pod: Pod | undefined, stillMs: number): boolean {
    return pod?.due === true && (!pod.left || stillMs >= KEEP_MS)
  }
}
