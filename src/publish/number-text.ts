// Writes numbers as both text formats have them. Knows nothing of what they count.

/** Longest number: -2.2250738585072014e-308, and a line's end. */
export const NUMBER_BYTES = 26

const BILLION = 1e9

/** Decimal, exact up to 2^53; beyond it and for fractions the shortest that reads back equal. Returns the end. */
export function putNumber(bytes: Buffer, at: number, value: number): number {
  if (value >= 0 && value < BILLION && (value | 0) === value) return putDigits(bytes, at, value | 0, digitsOf(value | 0))
  if (value >= BILLION && Number.isSafeInteger(value)) {
    const high = Math.floor(value / BILLION)
    const end = putDigits(bytes, at, high, digitsOf(high))
    return putDigits(bytes, end, value - high * BILLION, 9)
  }
  return at + bytes.write(formatNumber(value), at, 'latin1')
}

function digitsOf(value: number): number {
  let digits = 1
  for (let limit = 10; digits < 9 && value >= limit; limit *= 10) digits++
  return digits
}

function putDigits(bytes: Buffer, at: number, value: number, digits: number): number {
  let rest = value
  for (let place = at + digits - 1; place >= at; place--) {
    const tenth = (rest / 10) | 0
    bytes[place] = 48 + rest - tenth * 10
    rest = tenth
  }
  return at + digits
}

export function formatNumber(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf'
  if (value === Number.NEGATIVE_INFINITY) return '-Inf'
  return String(value)
}

/**
 * A value of `le` or `quantile`, which are text to whoever compares them: written as Prometheus itself does, with an exponent of two
 * digits below 0.0001. OpenMetrics wants `1.0` where text 0.0.4 has `1`.
 */
export function formatBound(bound: number, format: 'prometheus' | 'openmetrics'): string {
  const small = bound !== 0 && Math.abs(bound) < 1e-4
  const text = small ? bound.toExponential().replace(/e-(\d)$/, 'e-0$1') : formatNumber(bound)
  return format === 'openmetrics' && /^-?\d+$/.test(text) ? `${text}.0` : text
}
