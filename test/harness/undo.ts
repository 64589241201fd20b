// What a test made, unmade in reverse: also when it fails, and at once where the whole process must end.
export interface Step {
  /** At the end of a test; may wait. */
  readonly gently: () => Promise<void> | void
  /** When the process ends: synchronous, never throws for what is gone already. */
  readonly atOnce: () => void
}

const open = new Set<Undo>()
let hooked = false

/** tap ends a file that takes too long by SIGALRM. */
function hook(): void {
  if (hooked) return
  hooked = true
  process.on('exit', () => {
    for (const undo of open) undo.atOnce()
  })
  for (const [signal, number] of [
    ['SIGTERM', 15],
    ['SIGINT', 2],
    ['SIGHUP', 1],
    ['SIGALRM', 14],
  ] as const)
    process.once(signal, () => process.exit(128 + number))
}

export class Undo {
  readonly #steps: Step[] = []

  constructor() {
    hook()
    open.add(this)
  }

  add(step: Step): void {
    this.#steps.push(step)
  }

  /** Every step runs; throws what the first failing one threw. */
  async all(): Promise<void> {
    const errors: unknown[] = []
    for (let step = this.#steps.at(-1); step !== undefined; step = this.#steps.at(-1)) {
      try {
        await step.gently()
      } catch (error) {
        errors.push(error)
        step.atOnce()
      }
      this.#steps.pop()
    }
    open.delete(this)
    if (errors.length > 0) throw errors[0]
  }

  atOnce(): void {
    for (let step = this.#steps.pop(); step !== undefined; step = this.#steps.pop()) {
      try {
        step.atOnce()
      } catch {
        // The next ones still have their turn.
      }
    }
  }
}
