// Durations as Go writes them: 1s, 500ms, 1h30m, 1.5s. Text to milliseconds; no ranges.

const PART = /(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)/y
const MS: Readonly<Record<string, number>> = { ns: 1e-6, us: 1e-3, µs: 1e-3, μs: 1e-3, ms: 1, s: 1000, m: 60_000, h: 3_600_000 }

/** Milliseconds, also parts of one; undefined where the text is no duration. Only zero goes without a unit, none is below it. */
export function parseGoDuration(text: string): number | undefined {
  if (text === '0') return 0
  let ms = 0
  PART.lastIndex = 0
  while (PART.lastIndex < text.length) {
    const match = PART.exec(text)
    if (match === null) return undefined
    ms += Number(match[1]) * (MS[match[2] ?? ''] ?? Number.NaN)
  }
  return text === '' ? undefined : ms
}
