// One object for each cgroup that traffic told of lately, for what is remembered of it. Knows numbers; nothing of what is remembered.

/** Cgroups that nobody told of for so long go, in twice as long at the latest. */
const IDLE_MS = 30_000
/** 300 B each with their paths; where more come within a minute they are met anew, which does no harm. */
const MOST = 65_536

export interface MetCgroupsOptions {
  readonly idleMs?: number
  readonly most?: number
  /** ms, never goes back. */
  readonly nowMs: () => number
}

export class MetCgroups<C> {
  readonly #make: (id: bigint) => C
  readonly #idleMs: number
  readonly #most: number
  readonly #nowMs: () => number
  #young = new Map<bigint, C>()
  #old = new Map<bigint, C>()
  #sinceMs: number

  constructor(make: (id: bigint) => C, { idleMs = IDLE_MS, most = MOST, nowMs }: MetCgroupsOptions) {
    this.#make = make
    this.#idleMs = idleMs
    this.#most = most
    this.#nowMs = nowMs
    this.#sinceMs = nowMs()
  }

  of(id: bigint): C {
    const known = this.#young.get(id)
    if (known !== undefined) return known
    const cgroup = this.#old.get(id) ?? this.#make(id)
    if (this.#young.size >= this.#most) this.#age()
    this.#young.set(id, cgroup)
    return cgroup
  }

  /** To be called now and then. */
  letGo(): void {
    if (this.#nowMs() - this.#sinceMs >= this.#idleMs) this.#age()
  }

  #age(): void {
    this.#old = this.#young
    this.#young = new Map()
    this.#sinceMs = this.#nowMs()
  }
}
