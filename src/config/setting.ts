// What a setting is. Only a shape.
import type { Check } from './checks.ts'

export interface Setting<T = unknown> {
  readonly flag: `--${string}`
  readonly variable: string
  /** A variable that wins over `variable`: OpenTelemetry has one for all signals, and one for metrics alone. */
  readonly specific?: string
  readonly fileKey: string
  /** What stands for the value in --help. */
  readonly placeholder: string
  readonly check: Check<T>
  /** As somebody would write it: it goes through the same check. */
  readonly fallback: string
  /** In place of the fallback in --help and the README, where that differs from host to host. */
  readonly fallbackShown?: string
  /** What is allowed, for the error's line. */
  readonly allowed: string
  readonly help: string
  /** The value never appears in an error or a log. */
  readonly secret?: true
}
