// How things fail: the deed, the cause, the remedy, said once at the edge that knows. Exit codes as the contract has them.

export const EXIT_REFUSED = 1
export const EXIT_WRONG = 2

/** An error that a person can mend: `cannot DEED: CAUSE (REMEDY)`. */
export class Orb8Error extends Error {
  override readonly name: string = 'Orb8Error'
  readonly deed: string
  readonly reason: string
  readonly remedy: string
  readonly exitCode: number

  constructor(deed: string, reason: string, remedy: string, options: { cause?: unknown; exitCode?: number } = {}) {
    super(`cannot ${deed}: ${reason}${remedy === '' ? '' : ` (${remedy})`}`, { cause: options.cause })
    this.deed = deed
    this.reason = reason
    this.remedy = remedy
    this.exitCode = options.exitCode ?? EXIT_REFUSED
  }
}

/** A wrong setting: one line naming the key, the value (masked where it is a secret) and what is allowed. Exit code 2. */
export class ConfigError extends Orb8Error {
  override readonly name = 'ConfigError'

  constructor(key: string, problem: string, allowed: string) {
    super(`use ${key}`, problem, allowed, { exitCode: EXIT_WRONG })
  }
}

/** The kernel or libbpf refused. `code` is the errno's name, `detail` what else they said. */
export class KernelError extends Orb8Error {
  override readonly name = 'KernelError'
  readonly code: string

  constructor(deed: string, code: string, remedy: string, options: { cause?: unknown; detail?: string } = {}) {
    super(deed, options.detail === undefined ? code : `${code}: ${options.detail}`, remedy, options)
    this.code = code
  }
}
