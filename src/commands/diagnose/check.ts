// What a check of diagnose is, and how one is run to its end. Knows no check.
import { setTimeout as sleep } from 'node:timers/promises'
import { Orb8Error } from '../../errors.ts'

export interface Finding {
  readonly check: string
  readonly status: 'ok' | 'warn' | 'fail'
  readonly found: string
  /** Of a number: what it should be. */
  readonly should?: string
  /** How to mend it, or to see more; empty where there is nothing to mend. */
  readonly remedy: string
}

export interface Check {
  readonly name: string
  run(): Promise<readonly Finding[]>
  /** To be asked once it has run: a call of its own holds a thread, and process.exit would wait for it. See leaveAtOnce. */
  readonly hangs?: boolean
}

/** A trial load of every program takes a second or two; what takes this long never answers. */
const LIMIT_MS = 30_000

/** One after the other, in order. A check that throws or gives no answer is a finding too. */
export async function runChecks(checks: readonly Check[], limitMs: number = LIMIT_MS): Promise<readonly Finding[]> {
  const findings: Finding[] = []
  for (const check of checks) findings.push(...(await runCheck(check, limitMs)))
  return findings
}

async function runCheck({ name, run }: Check, limitMs: number): Promise<readonly Finding[]> {
  const over = new AbortController()
  const late = sleep(limitMs, undefined, { signal: over.signal }).then(() => [
    { check: name, status: 'fail' as const, found: `no answer within ${limitMs / 1000} s`, remedy: 'see what the kernel waits for: dmesg' },
  ])
  late.catch(() => {})
  try {
    return await Promise.race([run(), late])
  } catch (error) {
    const found = error instanceof Error ? error.message : String(error)
    if (!(error instanceof Orb8Error)) return [{ check: name, status: 'fail', found, remedy: '' }]
    return [{ check: name, status: 'fail', found: `cannot ${error.deed}: ${error.reason}`, remedy: error.remedy }]
  } finally {
    over.abort()
  }
}
