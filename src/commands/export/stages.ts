// How long each stage of a collection took. Knows the collector's steps by name; nothing of what is done in them.
import type { Step } from '../../collect/flows.ts'
import type { Stage } from '../../publish/self.ts'

/** What begins with each step. The swap is a wait for the kernel, thus of the drain. */
const BEGINS: Readonly<Record<Step, Stage | undefined>> = {
  walk: 'walk',
  swap: 'drain',
  begin: 'drain',
  read: 'drain',
  commit: 'commit',
  empty: 'drain',
  emptied: 'drain',
  done: undefined,
}

/** One stage at a time; the time between them is nobody's. */
export class Stages {
  readonly #now: () => number
  readonly #spent = new Map<Stage, number>()
  #stage: Stage | undefined
  #since = 0

  /** `now`: ms, a clock that never jumps. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now
  }

  step(name: Step): void {
    this.#enter(BEGINS[name])
  }

  /** What `body` takes counts as `stage` and as nothing else, also where it fails. */
  async within<T>(stage: Stage, body: () => Promise<T> | T): Promise<T> {
    const outer = this.#stage
    this.#enter(stage)
    try {
      return await body()
    } finally {
      this.#enter(outer)
    }
  }

  /** s of each stage since the last time, which ends here. */
  take(): ReadonlyMap<Stage, number> {
    this.#enter(undefined)
    const spent = new Map([...this.#spent].map(([stage, ms]) => [stage, ms / 1000]))
    this.#spent.clear()
    return spent
  }

  #enter(stage: Stage | undefined): void {
    const now = this.#now()
    if (this.#stage !== undefined) this.#spent.set(this.#stage, (this.#spent.get(this.#stage) ?? 0) + now - this.#since)
    this.#stage = stage
    this.#since = now
  }
}
