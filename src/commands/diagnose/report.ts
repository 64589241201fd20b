// Findings as people or programs read them. Knows no check.
import type { Finding } from './check.ts'

/**
 * A line each: status, check, what was found and, behind an arrow, how to mend it. Numbers stand in a table with what they
 * should be.
 */
export function asText(findings: readonly Finding[]): string {
  const width = Math.max(...findings.map(({ check }) => check.length))
  const numbers = findings.filter(({ should }) => should !== undefined)
  const foundWidth = Math.max(0, ...numbers.map(({ found }) => found.length))
  const lines = findings.map(({ check, status, found, should, remedy }) => {
    const told = should === undefined ? found : `${found.padEnd(foundWidth)}  should be ${should}`
    const line = `${status.padEnd(4)}  ${check.padEnd(width)}  ${told}${remedy === '' ? '' : ` -> ${remedy}`}`
    return `${line.replaceAll(/[\r\n]+\s*/g, ' ')}\n`
  })
  return lines.join('')
}

/** An array of findings. */
export function asJson(findings: readonly Finding[]): string {
  return `${JSON.stringify(findings, undefined, 2)}\n`
}
