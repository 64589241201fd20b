// Amounts as people read them.

const BINARY = ['B', 'KiB', 'MiB', 'GiB', 'TiB'] as const

/** `65,536` */
export const count = (value: number): string => Math.round(value).toLocaleString('en-US')

/** `23.4 MiB` */
export function bytes(value: number): string {
  const power = value < 1 ? 0 : Math.min(Math.floor(Math.log2(value) / 10), BINARY.length - 1)
  return `${Number((value / 1024 ** power).toFixed(power === 0 ? 0 : 1))} ${BINARY[power]}`
}

/** `0.4 ms`, `25 ms`, `1.2 s` */
export function seconds(value: number): string {
  return value < 1 ? `${Number((value * 1000).toPrecision(3))} ms` : `${Number(value.toPrecision(3))} s`
}

/** `3 %` of a share of 1, one digit behind the point at most. */
export const percent = (share: number): string => `${Number((share * 100).toFixed(1))} %`

/** `2 days`, `3 h`, `5 min`, `40 s` */
export function age(value: number): string {
  if (value >= 2 * 86_400) return `${Math.floor(value / 86_400)} days`
  if (value >= 2 * 3600) return `${Math.floor(value / 3600)} h`
  return value >= 120 ? `${Math.floor(value / 60)} min` : `${Math.max(Math.round(value), 0)} s`
}
