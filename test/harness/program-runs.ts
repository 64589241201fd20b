// The kernel's own count of how often programs run and how long: off by default, for the whole machine.
import { readFileSync, writeFileSync } from 'node:fs'
import type { Undo } from './undo.ts'

export const STATISTICS = '/proc/sys/kernel/bpf_stats_enabled'

/** On until the test ends. */
export function countRuns(undo: Undo): void {
  const before = readFileSync(STATISTICS, 'latin1')
  const restore = (): void => writeFileSync(STATISTICS, before)
  undo.add({ gently: restore, atOnce: restore })
  writeFileSync(STATISTICS, '1')
}
