// Findings as people or programs read them. Knows no check.
import type { Finding } from './check.ts'

/** A line each: status, check, what was found and, behind an arrow, how to mend it. */
export function asText(findings: readonly Finding[]): string {
  const width = Math.max(...findings.map(({ check }) => check.length))
  const lines = findings.map(({ check, status, found, remedy }) => {
    const line = `${status.padEnd(4)}  ${check.padEnd(width)}  ${found}${remedy === '' ? '' : ` -> ${remedy}`}`
    return `${line.replaceAll(/[\r\n]+\s*/g, ' ')}\n`
  })
  return lines.join('')
}

/** An array of findings. */
export function asJson(findings: readonly Finding[]): string {
  return `${JSON.stringify(findings, undefined, 2)}\n`
}
