// What share of a window each process used of a GPU, from the driver's samples. Knows how samples lie in time; nothing of processes.
import type { UtilizationSample } from '../kernel/nvml-processes.ts'

export interface Share {
  /** 0 to 1. */
  readonly share: number
  /** When it was last seen at work, us since the epoch. */
  readonly timeUs: number
}

/** The driver's own sample period is a sixth of a second to one second. */
const LONGEST_PERIOD_US = 1e6

/**
 * The driver answers one sample a process: its mean over all samples since `sinceUs`, stamped with its last; that is its share as it
 * is. Where one process comes several times the samples are single periods: each then weighs as long as it lasted, and the rest of
 * the window is idle. What is older than the window, in the future or above 100 % is not a sample: some drivers fill the list up with
 * whatever the buffer held.
 */
export function sharesOf(samples: readonly UtilizationSample[], sinceUs: number, nowUs: number): Map<number, Share> {
  const real = samples
    .filter(({ pid, timeUs, sm }) => pid > 0 && timeUs > sinceUs && timeUs <= nowUs + LONGEST_PERIOD_US && sm <= 100)
    .sort((a, b) => a.timeUs - b.timeUs)
  const pids = new Set(real.map(({ pid }) => pid))
  if (pids.size === real.length) return new Map(real.map(({ pid, timeUs, sm }) => [pid, { share: sm / 100, timeUs }]))
  const lasted = periods(real, sinceUs)
  const windowUs = Math.max(nowUs, real.at(-1)?.timeUs ?? nowUs) - sinceUs
  const shares = new Map<number, Share>()
  for (const { pid, timeUs, sm } of real) {
    const share = (shares.get(pid)?.share ?? 0) + ((sm / 100) * (lasted.get(timeUs) ?? 0)) / windowUs
    shares.set(pid, { share: Math.min(share, 1), timeUs })
  }
  return shares
}

/** From the moment before, whosever sample that was; after a gap no more than a period can last. */
function periods(sorted: readonly UtilizationSample[], sinceUs: number): ReadonlyMap<number, number> {
  const lasted = new Map<number, number>()
  let before = sinceUs
  for (const { timeUs } of sorted) {
    if (lasted.has(timeUs)) continue
    lasted.set(timeUs, Math.min(timeUs - before, LONGEST_PERIOD_US))
    before = timeUs
  }
  return lasted
}
